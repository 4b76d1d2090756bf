"""Compare the clock of a server with this machine's."""


def certain_offset(remote: float, started: float, ended: float) -> float:
    """Return the seconds by which a server's clock is certainly ahead of this machine's; negative if behind.

    The server read its clock at some time between `started` and `ended`, which are this machine's times.
    """
    if remote > ended:
        return remote - ended
    return min(remote - started, 0.0)
