"""The match stage: check a request's target and header fields, find its route, and prepare its upstream head.

If the server has recognized a request's header section, the result for this section and route is cached: only the
target and the values that differ between requests are checked. All other requests are read completely.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from contract.problems import Refused
from gateway.bounded_cache import BoundedCache
from gateway.http.request import HeaderSection, KnownFields, Request, RequestTarget
from gateway.http.request_headers import RequestFields, forward_opt_in, read_request_fields
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.http.via import Via
from gateway.http.websocket_handshake import is_websocket_upgrade
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.pipeline.authenticators.ticket import split_tickets
from gateway.pipeline.credentials import NO_OTHER_CREDENTIALS, Credentials, known_credentials, read_credentials
from gateway.pipeline.request_head import HeadTemplate, app_cookie_lines, head_template, own_lines, request_line
from gateway.pipeline.request_target import check_target
from gateway.routing.routes import METHODS, Route, RouteTable

MAX_KNOWN = 4_096
"""Maximum number of entries in each of the two caches: as many as the server's request head cache has."""

_IF_NONE_MATCH = b"if-none-match"
_TRACESTATE = frozenset({b"tracestate"})


@dataclass(frozen=True, slots=True)
class KnownSection:
    """What is known of all requests on one route that have the same header section."""

    template: HeadTemplate
    authenticator: Authenticator | None
    """The authenticator of the first such request, and of all that have no cookies; None on a public route."""
    around_etag: tuple[bytes, bytes] | None = None
    """The copied lines before and after the value of If-None-Match; None if it is not copied."""


class MatchedRequest(NamedTuple):
    """A request's route and the parts of its upstream head, before its client is authenticated.

    It has no credentials, and no field for credentials, so equal requests of several clients share it.
    """

    route: Route
    authenticator: Authenticator | None
    """The authenticator for the kind of credentials in the request; None on a public route."""
    template: HeadTemplate
    request_line: bytes
    """The request line to the upstream."""
    own_lines: bytes
    """The header lines that frame the body and trace the request, and the cookies for the app; may be empty.

    A request that several clients share has no cookies.
    """
    has_body: bool
    chunked: bool = False
    is_websocket: bool = False
    """Whether it is the handshake of a WebSocket on a route that accepts WebSockets."""


class MatchStage:
    """Matches requests with `routes`. `count_withheld` is called with the number of fields that are not forwarded."""

    def __init__(
        self,
        routes: RouteTable,
        authentication: AuthenticateStage,
        cookie_name: str,
        via: Via,
        count_withheld: Callable[[int], None],
        request_limits: RequestLimits = DEFAULT_LIMITS,
        *,
        forwards_trace_fields: bool = True,
    ) -> None:
        self._routes_at: Callable[[bytes], Mapping[str, Route] | None] = routes.routes_by_method
        self._authentication = authentication
        self._cookie_name = cookie_name.encode("ascii")
        self._via = via
        self._count_withheld = count_withheld
        self._request_limits = request_limits
        self.cache_misses = 0
        """Requests whose header section was read completely, since the start."""
        self._forwards_trace_fields = forwards_trace_fields
        """Whether the upstream gets the client's traceparent and tracestate; False if the gateway sends its own."""
        self._withheld = frozenset[bytes]() if forwards_trace_fields else _TRACESTATE
        self._sections: BoundedCache[tuple[HeaderSection, Route], KnownSection] = BoundedCache(MAX_KNOWN)
        self._repeated: BoundedCache[tuple[HeaderSection, RequestTarget], MatchedRequest] = BoundedCache(MAX_KNOWN)

    def match(self, request: Request, *, with_tickets: bool) -> tuple[MatchedRequest, Credentials]:
        """Match `request`, and return its credentials as well. Raises Refused: 400, 404, 405, 413, 414, 431, 508.

        Without `with_tickets`, a ticket stays in the query.
        """
        target, fields = request.target, request.known_fields
        if target is None or fields is None:
            return self._match_all(request, with_tickets=with_tickets)
        matched = self._repeated.get((fields.section, target)) if target.is_repeated else None
        if matched is None:
            matched = self._match_known(target, fields)
            if matched is None:
                return self._match_all(request, with_tickets=with_tickets)
        if not fields.cookies and fields.refresh_token is None:
            return matched, NO_OTHER_CREDENTIALS
        credentials = known_credentials(fields, self._cookie_name)
        if not fields.cookies:
            return matched, credentials
        route = matched.route
        if matched.authenticator is not None:  # it depends on the names of the cookies
            authenticator = self._authentication.choose(request, credentials, accepts_forms=route.accepts_forms)
            if authenticator is not matched.authenticator:  # `_replace` takes 1.5 us
                matched = matched._replace(authenticator=authenticator)
        if route.forward_cookies:
            matched = matched._replace(own_lines=matched.own_lines + app_cookie_lines(credentials.other_cookies))
        return matched, credentials

    def own_allow_value(self, request: Request) -> str | None:
        """Return the value of Allow for an OPTIONS that the gateway answers itself; None if it is to be forwarded.

        The gateway answers `OPTIONS *` (RFC 9110 9.3.7) and an OPTIONS with Max-Forwards 0 (7.6.2). Raises Refused:
        405 for every CONNECT, 400 for an OPTIONS in HTTP/1.0; otherwise as `match`.
        """
        if request.method == "CONNECT":
            raise Refused("method_not_allowed", headers={"Allow": _allow(METHODS)})
        if request.http_version == "1.0":  # RFC 1945 8 has no OPTIONS; and the parser reports RTSP/1.0 as 1.0
            raise Refused("bad_request", "OPTIONS requires HTTP/1.1.")
        if request.path == b"*" and not request.query:
            read_request_fields(request.headers, request.http_version, self._request_limits)
            return _allow(METHODS)
        _, fields = self._read(request)
        return None if fields.max_forwards != 0 else _allow(self.routes_of(request))

    def routes_of(self, request: Request) -> Mapping[str, Route]:
        """Return the routes of the request's path by method; empty if there is none."""
        return self._routes_at(request.path) or {}

    def _match_known(self, target: RequestTarget, fields: KnownFields) -> MatchedRequest | None:
        """Match a request by its target and what is known of its header section; None if nothing is.

        Also None if there is no route: an error in the header section is reported first.
        """
        method, path, query = target.method, target.path, target.query
        check_target(path, query, self._request_limits)
        route = (self._routes_at(path) or {}).get(method)
        known = self._sections.get((fields.section, route)) if route is not None else None
        if route is None or known is None or b"ticket=" in query:  # a ticket is not forwarded
            return None
        content_length, template = fields.content_length, known.template
        if content_length is not None:
            _check_length(content_length, route)
        if known.around_etag is not None:
            before, after = known.around_etag
            template = template.with_copied(before + fields.if_none_match + after)
        own = b""
        traceparent = fields.traceparent if self._forwards_trace_fields else b""
        if content_length is not None or traceparent:
            own = own_lines(content_length, traceparent)
        line = request_line(method, route.forwarded_path(path), query)
        matched = MatchedRequest(route, known.authenticator, template, line, own, bool(content_length))
        if target.is_repeated and content_length is None and not (traceparent or fields.if_none_match):
            self._repeated[fields.section, target] = matched
        return matched

    def _match_all(self, request: Request, *, with_tickets: bool) -> tuple[MatchedRequest, Credentials]:
        """Match `request` by all its header fields. Keep what the next request with this section can use."""
        self.cache_misses += 1
        route, fields = self._read(request)
        query, tickets = split_tickets(request, route) if with_tickets else (request.query, ())
        credentials = read_credentials(fields, self._cookie_name, tickets)
        authenticator = None
        if not route.public:
            authenticator = self._authentication.choose(request, credentials, accepts_forms=route.accepts_forms)
        template = head_template(
            method=request.method,
            fields=fields,
            overrides=route.request_overrides,
            via=self._via.line(request.http_version, fields.via),
            withheld=route.upstream.identity_header_names | self._withheld,
            host=route.upstream.host,
        )
        traceparent = fields.traceparent if self._forwards_trace_fields else None
        own = own_lines(fields.content_length, traceparent, chunked=fields.chunked)
        matched = MatchedRequest(
            route,
            authenticator,
            template,
            request_line(request.method, route.forwarded_path(request.path), query),
            own + app_cookie_lines(credentials.other_cookies) if route.forward_cookies else own,
            fields.has_body,
            fields.chunked,
            route.websocket and is_websocket_upgrade(request),
        )
        known = request.known_fields
        if known is not None and not (tickets or matched.is_websocket):
            is_etag_set = route.request_overrides is not None and _IF_NONE_MATCH in route.request_overrides.names
            around_etag = None if is_etag_set else _around_etag(template.copied, known.if_none_match)
            self._sections[known.section, route] = KnownSection(template, authenticator, around_etag)
        return matched, credentials

    def _read(self, request: Request) -> tuple[Route, RequestFields]:
        """Check target and header fields, and return the route and the fields. Raises Refused."""
        check_target(request.path, request.query, self._request_limits)
        fields = read_request_fields(request.headers, request.http_version, self._request_limits)
        if fields.via is not None:
            self._via.check(fields.via)
        route = self._route(request.path, request.method)
        if fields.content_length is not None:
            _check_length(fields.content_length, route)
        if fields.opt_in_lines:
            self._count_withheld(forward_opt_in(fields, route.forward_headers))
        return route, fields

    def _route(self, path: bytes, method: str) -> Route:
        by_method = self._routes_at(path)
        if by_method is None:
            raise Refused("not_found")
        route = by_method.get(method)
        if route is None:
            raise Refused("method_not_allowed", headers={"Allow": _allow(by_method)})  # RFC 9110 15.5.6
        return route


def body_too_large(route: Route) -> Refused:
    """Return the refusal of a body that is larger than `route` accepts."""
    return Refused("body_too_large", f"This route takes bodies of at most {route.max_body} bytes.")


def _around_etag(copied: bytes, etag: bytes) -> tuple[bytes, bytes] | None:
    """Return the lines in `copied` before and after the value `etag` of If-None-Match; None if it is not there."""
    line_start = b"\r\n%b: " % _IF_NONE_MATCH
    before, found, after = (b"\r\n" + copied).partition(line_start + etag + b"\r\n")
    return ((before + line_start)[2:], b"\r\n" + after) if etag and found else None


def _check_length(content_length: int, route: Route) -> None:
    if content_length > route.max_body:
        raise body_too_large(route)


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))
