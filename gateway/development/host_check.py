"""Refuse requests whose Host is a foreign name: by DNS rebinding, a web page could otherwise read the kept mails."""

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import request

from contract.problems import Refused
from gateway.http.origin import printable


def host_check(public_url: str) -> Callable[[], None]:
    """Return a function that raises Refused(403) if the Host of Flask's current request is foreign.

    Accepted are IP addresses, names without a dot, names under `localhost`, and the host of `public_url`. An attacker
    can register none of these in the DNS.
    """
    own = urlsplit(public_url).hostname

    def check_host() -> None:
        host = urlsplit(f"//{request.host}").hostname or ""
        if host != own and not _is_local(host):
            raise Refused(
                "cross_site",
                f"The Host {printable(host)} is no name of this machine: use its address, or set PUBLIC_URL.",
            )

    return check_host


def _is_local(host: str) -> bool:
    if "." not in host or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
