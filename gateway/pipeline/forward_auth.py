"""Forward-auth: authorization subrequests of a proxy, which forwards the original request itself if it may pass.

nginx (auth_request), Traefik (ForwardAuth), Caddy (forward_auth) and Envoy (ext_authz over HTTP) send them. The
pipeline decides about the method and the target of the original request, byte for byte. Fields that contradict each
other are refused. Failure policy: the response is 200 if the request may pass. No other response has a 2xx status, so
the proxy refuses the request.
"""

import re
from collections.abc import Iterator

from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS
from contract.problems import Refused
from gateway.http.authority import is_host
from gateway.http.gateway_paths import FORWARD_AUTH
from gateway.http.request import Request
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.server.client_address import forwarded_scheme

Field = tuple[bytes, bytes]

_PAIRS = (
    (b"x-original-method", b"x-original-uri"),  # nginx, as configured in docs/forward-auth.md
    (b"x-forwarded-method", b"x-forwarded-uri"),  # Traefik and Caddy
)
# The proxy drops Upgrade and Connection, but the Origin of a WebSocket handshake must be checked (RFC 6455 10.2). So
# these fields are added again if there is a Sec-WebSocket-Key, which a page can send in a handshake only.
_UPGRADE = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"))
_METHOD = re.compile(rb"[A-Z]{1,20}")
_IDENTITY_FIELDS = tuple(name.lower().encode("ascii") for name in (IDENTITY_HEADER, *UNSIGNED_HEADERS))


def original_request(request: Request) -> Request:
    """Return the original request that a subrequest describes. Raises Refused(400) if it is missing or ambiguous."""
    candidates = {*_from_path(request), *_from_fields(request)}
    if len(candidates) != 1:
        reason = "are given differently in two places" if candidates else "are missing"
        raise Refused("bad_header", f"The method and target of the original request {reason}.")
    method, target = candidates.pop()
    if not _METHOD.fullmatch(method):
        raise Refused("bad_header", "The method of the original request is malformed.")
    path, _, query = target.partition(b"?")
    headers = _with_host(request.headers, _single(request, b"x-forwarded-host"))
    if _single(request, b"sec-websocket-key") is not None:
        headers = [*headers, *_UPGRADE]
    return request._replace(
        method=method.decode("ascii"),
        path=path,
        query=query,
        headers=headers,
        scheme=forwarded_scheme(headers, request.scheme),
        http_version="1.1",
        target=None,
        known_fields=None,
    )


def logged_request(original: Request) -> Request:
    """Return `original` for the access log: its path is preceded by that of forward-auth, for every kind of proxy."""
    return original._replace(path=FORWARD_AUTH + original.path)


def response_headers(admitted: AdmittedRequest) -> list[Field]:
    """Return the header fields of the 200: the identity for the service, and refreshed tokens for the client.

    Every identity field is present, with an empty value if the service gets no identity: a proxy that copies them
    overwrites fields of the same names that the client has sent. The upstream's `identity_headers` are among them.
    """
    own_names = (name.lower().encode("ascii") for name, _ in admitted.route.upstream.identity_headers)
    lines = (line.partition(b": ") for line in admitted.identity_lines.split(b"\r\n") if line)
    values = {name.lower(): value for name, _, value in lines}
    fresh = admitted.fresh.to_fields() if admitted.fresh is not None else ()
    return [
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
        *((name, values.get(name, b"")) for name in (*_IDENTITY_FIELDS, *own_names)),
        *admitted.response_headers,
        *(field for field in fresh if field[0] != b"cache-control"),
    ]


def _from_path(request: Request) -> Iterator[Field]:
    """Yield the method and target as Envoy gives them: the target follows the path of forward-auth."""
    rest = request.path[len(FORWARD_AUTH) :]
    if rest:
        yield request.method.encode("ascii"), rest + b"?" + request.query if request.query else rest


def _from_fields(request: Request) -> Iterator[Field]:
    """Yield the method and target as nginx, Traefik and Caddy give them, in a pair of fields."""
    for names in _PAIRS:
        method, target = (_single(request, name) for name in names)
        if method is None and target is None:
            continue
        if method is None or target is None:
            # If a proxy sets only one field of a pair, the client could send the other one.
            raise Refused("bad_header", f"{' and '.join(name.decode() for name in names)} go together.")
        yield method, target.removesuffix(b"?")  # an empty query is equal to none, as in _from_path


def _single(request: Request, name: bytes) -> bytes | None:
    values = [value for field, value in request.headers if field == name]
    if len(values) > 1:
        raise Refused("bad_header", f"There is more than one {name.decode()}.")
    return values[0] if values else None


def _with_host(headers: list[Field], host: bytes | None) -> list[Field]:
    # The CSRF check compares Origin with the host that the client requested from the proxy. Several proxies in a row
    # may write a list of hosts, which is ignored.
    if host is None or not is_host(host):
        return headers
    return [*(field for field in headers if field[0] != b"host"), (b"host", host)]
