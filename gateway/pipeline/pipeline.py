"""The pipeline: match, limit by address, authenticate, limit by identity, authorize, assert the identity.

Each stage takes a value and returns one, or raises Refused. `admit` is suspendable (gateway/suspendable.py): if a
request does not have to wait, it is admitted without a task.
"""

from typing import NamedTuple

from chassis.clock import Clock
from contract.problems import Refused
from gateway.browser_sessions.page_sessions import PageSession
from gateway.http.header_fields import HeaderTuple
from gateway.http.request import Request, RequestRecord
from gateway.observability.authentication_metrics import AuthenticationCounts
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authorize import authorize
from gateway.pipeline.credentials import Credentials
from gateway.pipeline.forwarded_credentials import CredentialForwarding
from gateway.pipeline.identity_headers import IdentityHeaders
from gateway.pipeline.login_redirect import browser_refusal
from gateway.pipeline.match import MatchedRequest, MatchStage
from gateway.pipeline.request_head import forwarding_lines
from gateway.rate_limits.limiter import RateLimiter
from gateway.routing.routes import Route
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal
from gateway.tokens.refresh import FreshTokens


class AdmittedRequest(NamedTuple):
    """A request that may be forwarded.

    A named tuple, because a frozen dataclass of this size costs 1 us more per request.
    """

    route: Route
    matched: MatchedRequest
    forwarding_lines: bytes
    """X-Request-Id, X-Forwarded-* and Forwarded."""
    identity_lines: bytes
    """The identity headers or, for the auth service, credentials; empty if the upstream gets neither."""
    principal: Principal | None = None
    """The authenticated client. None on a public route, unless the gateway chose its token for the auth service."""
    response_headers: HeaderTuple = ()
    """Fields for the response: the rate limits, and the Set-Cookie that clears the cookie of an ended session."""
    page_session: PageSession | None = None
    """The session cookie of a hosted page's form, which the response may set or clear."""

    def head(self, host_line: bytes) -> bytes:
        """Return the head to send to the upstream; `host_line` is the Host line of its address."""
        matched = self.matched
        template = matched.template
        return b"".join(
            (
                matched.request_line,
                template.host_line or host_line,
                template.copied,
                self.forwarding_lines,
                template.via,
                self.identity_lines,
                matched.own_lines,
                template.end,
            )
        )

    @property
    def fresh(self) -> FreshTokens | None:
        """Return the tokens that the gateway refreshed for this request. Every response must contain them."""
        return self.principal.fresh if self.principal is not None else None


class Pipeline:
    """Admits or refuses requests."""

    def __init__(
        self,
        match_stage: MatchStage,
        authentication: AuthenticateStage,
        credential_forwarding: CredentialForwarding,
        identity_headers: IdentityHeaders,
        rate_limiter: RateLimiter,
        clock: Clock,
    ) -> None:
        self.match_stage = match_stage
        self._authentication = authentication
        self._credential_forwarding = credential_forwarding
        self._identity_headers = identity_headers
        self._rate_limiter = rate_limiter
        self._clock = clock
        self.authentications = AuthenticationCounts()

    def admit(
        self, request: Request, record: RequestRecord, *, is_forwarded: bool = True
    ) -> Suspendable[AdmittedRequest]:
        """Admit `request`, and return what is forwarded of it. Set route and client in `record`. Raises Refused.

        `is_forwarded` is False for forward-auth: the proxy forwards the request, so the gateway redeems no ticket and
        chooses no credentials for the auth service.
        """
        matched, credentials = self.match_stage.match(request, with_tickets=is_forwarded)
        route, authenticator = matched.route, matched.authenticator
        record.route, record.upstream = route.prefix, route.upstream.name
        if route.limits:  # before a token is verified, so that a flood of invalid tokens is stopped here
            yield from self._rate_limiter.admit_address(route.limits, request.client)
        identity_lines = b""
        principal: Principal | None = None
        response_headers: HeaderTuple = ()
        page_session: PageSession | None = None
        try:
            if authenticator is not None:
                principal = yield from authenticator.authenticate(request, credentials)
                self.authentications.accepted[authenticator.kind] += 1
                response_headers = principal.response_headers
            elif route.upstream.takes_credentials and is_forwarded:
                forwarded = yield from self._credential_forwarding.choose(request, credentials, route)
                identity_lines, principal, response_headers, page_session = forwarded
            if principal is not None:
                record.subject, record.session = principal.claims.subject, principal.claims.session
            if route.limits:
                response_headers = (yield from self._limit_identity(request, route, principal)) + response_headers
            if authenticator is not None and principal is not None:
                if route.roles:  # most routes have none, and need no call
                    authorize(principal.claims, route)
                identity_lines = self._identity_headers.lines(principal.claims, route.upstream, self._clock())
        except Refused as refused:
            if authenticator is not None and principal is None:
                self.authentications.refuse(authenticator.kind, refused.code)
            if principal is not None and principal.fresh is not None:
                principal.fresh.add_to(refused)
            if is_forwarded:  # another proxy decides itself what its client gets after a 401
                refused = _for_client(refused, request, credentials, route)
            raise refused
        forwarding = b"X-Request-Id: %b\r\n%b%b" % (
            request.request_id.encode("ascii"),
            record.trace_lines,
            forwarding_lines(matched.template.host, request.client, request.scheme),
        )
        return AdmittedRequest(route, matched, forwarding, identity_lines, principal, response_headers, page_session)

    def _limit_identity(
        self, request: Request, route: Route, principal: Principal | None
    ) -> Suspendable[HeaderTuple]:
        """Count the request under the identity limits, and return the RateLimit fields. Raises Refused(429)."""
        subject = principal.claims.subject if principal is not None else ""
        return self._rate_limiter.admit_identity(route.limits, request.client, subject)

    def confirm(self, admitted: AdmittedRequest, request: Request) -> None:
        """Check that the token of the admitted `request` is still valid and not revoked. Raises Refused: 401, 503."""
        principal = admitted.principal
        if principal is None or admitted.route.public:
            return
        try:
            self._authentication.confirm(principal)
        except Refused as refused:
            if principal.handle:
                credentials = Credentials(session_cookies=(principal.handle.encode("ascii"),))
                refused = _for_client(refused, request, credentials, admitted.route)
            raise refused


def _for_client(refused: Refused, request: Request, credentials: Credentials, route: Route) -> Refused:
    """Return the refusal that replaces `refused` if `route` redirects this request to the log-in page, or `refused`.

    The caller raises it. Raised here, it would refer to itself through the variables of this function, and only the
    garbage collector would free it, with the request and the connection.
    """
    if not route.login_url:
        return refused
    return browser_refusal(refused, request, credentials, route.login_url) or refused
