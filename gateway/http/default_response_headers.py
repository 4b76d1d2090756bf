"""The header fields of every response, except Date and X-Request-Id. They are built once, when the worker starts.

The gateway drops the fields in NAMES from a service's response, so that each is sent once. Strict-Transport-Security
is sent only to clients that use TLS (RFC 6797 7.2). It applies to the whole host, so the operator sets it, not a
service.
"""

from collections.abc import Mapping

NAMES = ("strict-transport-security", "via", "x-content-type-options")


def default_response_lines(
    gateway_name: str, *, hsts_max_age: int, hsts_subdomains: bool, varies_by_origin: bool = False
) -> Mapping[str, bytes]:
    """Return the header lines by the client's scheme. `hsts_max_age` is in seconds; 0 omits the field.

    `varies_by_origin` adds `Vary: Origin` to any Vary of the service. Responses to requests without Origin need it
    too, because a cache must not return them to other origins (Fetch, "CORS protocol and HTTP caches").
    """
    vary = "vary: Origin\r\n" if varies_by_origin else ""
    lines = f"x-content-type-options: nosniff\r\nvia: 1.1 {gateway_name}\r\n{vary}"
    subdomains = "; includeSubDomains" if hsts_subdomains else ""
    hsts = f"strict-transport-security: max-age={hsts_max_age}{subdomains}\r\n" if hsts_max_age else ""
    return {"http": lines.encode("ascii"), "https": (lines + hsts).encode("ascii")}
