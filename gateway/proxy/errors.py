"""Errors of forwarding that have no response of their own."""


class ExchangeAborted(Exception):
    """The client disconnected, or a response that has begun cannot be completed: its connection is closed.

    `code` is the problem code with which the gateway ended a stream; empty otherwise.
    """

    def __init__(self, code: str = "") -> None:
        super().__init__(code)
        self.code = code
