"""Owns what is said to proxies that ask before they forward by themselves: may this request pass, and as whose?

nginx (auth_request), Traefik (ForwardAuth), Caddy (forward_auth) and Envoy (ext_authz over HTTP) ask so. The decision
is the pipeline's, on the original request's method and target, byte for byte; what is said twice and differently is
refused. Failure policy: yes is 200, and whatever else is answered is no 2xx, which each of them takes for a no.
"""

import re
from collections.abc import Iterator

from contract.identity import IDENTITY_HEADER, READABLE_HEADERS
from contract.problems import Refused
from gateway.http.authority import is_host
from gateway.http.gateway_paths import FORWARD_AUTH
from gateway.http.request import Request
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.server.client_address import forwarded_scheme

Field = tuple[bytes, bytes]

_PAIRS = (
    (b"x-original-method", b"x-original-uri"),  # nginx, as its sample says
    (b"x-forwarded-method", b"x-forwarded-uri"),  # Traefik and Caddy
)
# What is said from hop to hop has stayed at the proxy; but the Origin of a handshake counts (RFC 6455 10.2), and no
# page can say Sec-WebSocket-Key other than by one.
_UPGRADE = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"))
_METHOD = re.compile(rb"[A-Z]{1,20}")
_IDENTITY = tuple(name.lower().encode("ascii") for name in (IDENTITY_HEADER, *READABLE_HEADERS))


def asked_about(request: Request) -> Request:
    """The request that a proxy asks about by `arrival`. Raises Refused(400) where that is not clearly said."""
    said = {*_in_path(request), *_in_fields(request)}
    if len(said) != 1:
        reason = "differs from place to place" if said else "is not said"
        raise Refused("bad_header", f"The request that is asked about {reason}.")
    method, target = said.pop()
    if not _METHOD.fullmatch(method):
        raise Refused("bad_header", "The method that is asked about is none.")
    path, _, query = target.partition(b"?")
    headers = _with_host(request.headers, _only(request, b"x-forwarded-host"))
    if _only(request, b"sec-websocket-key") is not None:
        headers = [*headers, *_UPGRADE]
    return request._replace(
        method=method.decode("ascii"),
        path=path,
        query=query,
        headers=headers,
        scheme=forwarded_scheme(headers, request.scheme),
        http_version="1.1",
        cached_head=None,
        token="",
    )


def shown(asked: Request) -> Request:
    """`asked` as the log shows it, whichever proxy has asked: under the path for asking."""
    return asked._replace(path=FORWARD_AUTH + asked.path)


def answer_fields(vouched: AdmittedRequest) -> list[Field]:
    """The header of a yes: who it is, for the service, and for the client the tokens that were refreshed.

    Every identity field is there, with no value where nothing is vouched: so a proxy that copies them puts them over
    whatever the client has sent under their names.
    """
    lines = (line.partition(b": ") for line in vouched.identity_lines.split(b"\r\n") if line)
    values = {name.lower(): value for name, _, value in lines}
    fresh = vouched.fresh.to_headers() if vouched.fresh is not None else {}
    return [
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),  # a yes is about one moment
        *((name, values.get(name, b"")) for name in _IDENTITY),
        *vouched.response_headers,
        *((name.lower().encode(), value.encode()) for name, value in fresh.items() if name != "Cache-Control"),
    ]


def _in_path(request: Request) -> Iterator[Field]:
    """Envoy: the target stands behind the path for asking, the method is the original one."""
    rest = request.path[len(FORWARD_AUTH) :]
    if rest:
        yield request.method.encode("ascii"), rest + b"?" + request.query if request.query else rest


def _in_fields(request: Request) -> Iterator[Field]:
    for names in _PAIRS:
        method, target = (_only(request, name) for name in names)
        if method is None and target is None:
            continue
        if method is None or target is None:
            # One half of a pair may be the client's, where the proxy was told to say the other one only.
            raise Refused("bad_header", f"{' and '.join(name.decode() for name in names)} go together.")
        yield method, target.removesuffix(b"?")


def _only(request: Request, name: bytes) -> bytes | None:
    values = [value for known, value in request.headers if known == name]
    if len(values) > 1:
        raise Refused("bad_header", f"{name.decode()} is said more than once.")
    return values[0] if values else None


def _with_host(headers: list[Field], host: bytes | None) -> list[Field]:
    # The host that the client named, and the scheme, decide whether a cookie's request comes from a page of ours.
    # A list, which several proxies in a row may write, names no host that an Origin could be.
    if host is None or not is_host(host):
        return headers
    return [*(field for field in headers if field[0] != b"host"), (b"host", host)]
