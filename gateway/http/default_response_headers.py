"""Owns the fields that every answer has, whoever gave it: they are made once, and stand beside the Date.

A service's own say on them is dropped, so that each comes once: of nosniff there is but one value, and how long a
host is to be reached by TLS alone is for whoever owns its name to say. HSTS goes to clients that came by TLS alone
(RFC 6797 7.2).
"""

from collections.abc import Mapping

NAMES = ("strict-transport-security", "via", "x-content-type-options")


def default_response_lines(
    gateway_name: str, *, hsts_max_age: int, hsts_subdomains: bool, varies_by_origin: bool = False
) -> Mapping[str, bytes]:
    """By the client's scheme, the ended lines of these fields. `hsts_max_age` in seconds; 0 says nothing.

    `varies_by_origin` adds `Vary: Origin`, beside whatever Vary a service sends: a cache has to keep the answer to a
    request without an Origin apart from the others, too (Fetch, "CORS protocol and HTTP caches").
    """
    vary = "vary: Origin\r\n" if varies_by_origin else ""
    lines = f"x-content-type-options: nosniff\r\nvia: 1.1 {gateway_name}\r\n{vary}"
    subdomains = "; includeSubDomains" if hsts_subdomains else ""
    hsts = f"strict-transport-security: max-age={hsts_max_age}{subdomains}\r\n" if hsts_max_age else ""
    return {"http": lines.encode("ascii"), "https": (lines + hsts).encode("ascii")}
