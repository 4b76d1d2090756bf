"""Internal ports that others can reach."""

from collections.abc import Iterable, Iterator, Mapping

from doctor.finding import Problem, error, warning
from doctor.probes.ports import OpenPort, is_loopback, is_public

_WILDCARDS = ("0.0.0.0", "[::]", "::", "")  # noqa: S104 - compared, not bound


def listening(binds: Mapping[str, str], served: str) -> Iterator[Problem]:
    """Return the listen addresses that are open to others. `binds` is by setting; `served` is what they serve."""
    for setting, bind in binds.items():
        host = bind.rpartition(":")[0]
        if bind.startswith("unix:") or not bind or is_loopback(host):
            continue
        remedy = f"Set {setting} to 127.0.0.1, a unix socket or a private address, or close the port in the firewall."
        if host in _WILDCARDS:
            yield warning(f"{setting}={bind} offers {served} on every interface of this machine.", remedy)
        elif is_public(host):
            yield error(f"{setting}={bind} offers {served} on a public address.", remedy)


def stores(ports: Iterable[OpenPort]) -> Iterator[Problem]:
    """Return the stores on this machine that answer at its other addresses, too."""
    for port in ports:
        yield warning(
            f"{port.server[0].upper()}{port.server[1:]} also answers at {port.address}:{port.port}, though only "
            "this machine uses it.",
            "Bind it to 127.0.0.1: `bind 127.0.0.1` in redis.conf, `listen_addresses = 'localhost'` in "
            "postgresql.conf.",
        )


def forward_auth(status: int | None) -> Iterator[Problem]:
    """Return whether clients get identity assertions. `status` is that of /forward-auth at the public URL."""
    if status is not None and status not in (403, 404):
        yield error(
            f"/forward-auth answers {status} at the public URL: everybody with a token can get identity assertions.",
            "Set GATEWAY_FORWARD_AUTH=internal, or let the proxy block the path (docs/forward-auth.md).",
        )
