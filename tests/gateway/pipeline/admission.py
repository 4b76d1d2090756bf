"""Three gateways that admit the same requests in different ways, and the requests by which they are compared.

at once: as in production, so a request that does not have to wait is admitted without a task.
in a task: each request is admitted in a task from the start.
suspended: each admission starts without a task, waits, and is continued in a task.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.http.request import Request, RequestRecord
from gateway.pipeline.pipeline import AdmittedRequest, Pipeline
from gateway.proxy.dispatcher import Dispatcher
from gateway.routing.routes import METHODS as METHODS_OF_ROUTES
from gateway.suspendable import Suspendable, wait_for
from gateway.worker_application import Gateway
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, limits, route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, hash_of

ROUTES = routes_toml(
    AUTH_UPSTREAM,
    NOTES_UPSTREAM,
    upstream_table("connection-refused", "http://127.0.0.1:1", break_after=0),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/public/", "public", max_body=10),
    route_table("/api/", methods=["GET", "POST"]),
    route_table("/staff/", ["staff"]),
    route_table("/admin/", ["admin"]),
    route_table("/streams/", streams=True),
    route_table("/small-answers/", max_answer=1),
    route_table("/one/", max_concurrent=1),
    route_table("/fixed/", "public", response_headers={"X-Fixed": "yes"}),
    route_table("/connection-refused/", "public", upstream="connection-refused"),
    route_table("/by-address/", limits=limits(address="2/hour")),
    route_table("/open-by-address/", "public", limits=limits(address="2/hour")),
    route_table("/by-identity/", limits=limits(address="1000/hour", identity="2/hour")),
    route_table("/by-both/", limits=limits(identity="2/hour", address="2/hour")),
    route_table("/roomy/", limits=limits(address="1000/hour", identity="1000/hour")),
)

HANDLE = "h" * 43
OWN_PAGE = ("X-Requested-With: app", "Sec-Fetch-Site: same-origin")

PATHS = [
    *(
        "/public/x",
        "/api/x",
        "/staff/x",
        "/admin/x",
        "/streams/x",
        "/small-answers/x",
        "/one/x",
        "/fixed/x",
        "/connection-refused/x",
    ),
    *(
        "/by-address/x",
        "/open-by-address/x",
        "/by-identity/x",
        "/by-both/x",
        "/roomy/x",
        "/auth/users/me/",
        "/auth/jwt/create/",
    ),
    *("/nowhere", "/api/%2e%2e/x", "/api/refuses", "/api/chunked", "/api/rejects"),
]
CREDENTIALS = {
    "none": (),
    "good": ("Authorization: Bearer {good}",),
    "lower case": ("authorization: bearer {good}",),
    "bad": ("Authorization: Bearer {bad}",),
    "malformed": ("Authorization: Bearer a b",),
    "padded": ("Authorization: Bearer {good}=",),
    "expired": ("Authorization: Bearer {expired}",),
    "refresh token as access token": ("Authorization: Bearer {refresh}",),
    "basic": ("Authorization: Basic YTpi",),
    "twice": ("Authorization: Bearer {good}", "Authorization: Bearer {good}"),
    "cookie": (f"Cookie: __Host-session={HANDLE}",),
    "cookie from a page of the gateway": (f"Cookie: __Host-session={HANDLE}", *OWN_PAGE),
    "two cookies": (f"Cookie: __Host-session={HANDLE}; __Host-session={HANDLE}",),
    "cookie of an ended session": (f"Cookie: __Host-session={'d' * 43}",),
    "cookie of an ended session and a token": (f"Cookie: __Host-session={'d' * 43}", "Authorization: Bearer {good}"),
    "another cookie and a token": ("Cookie: a=b", "Authorization: Bearer {good}"),
    "refresh token": ("Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh"),
    "used refresh token": ("Authorization: Bearer {expired}", "X-Refresh-Token: used"),
    "refresh token and a valid token": ("Authorization: Bearer {good}", "X-Refresh-Token: good-refresh"),
}
METHODS = {
    "GET": ((), b""),
    "HEAD": ((), b""),
    "DELETE": ((), b""),
    "POST": (("Content-Length: 4",), b"body"),
    "POST chunked": (("Transfer-Encoding: chunked",), b"4\r\nbody\r\n0\r\n\r\n"),
    "POST too long": (("Content-Length: 11",), b"body" * 2 + b"ody"),
}
ORIGINS = {"": (), "listed": ("Origin: https://app.example",), "foreign": ("Origin: https://evil.example",)}
QUERIES = {"": "", "ticket": "?ticket=made-up"}
_PER_REQUEST_FIELDS = frozenset(
    {"x-request-id", "x-identity", "x-forwarded-for", "forwarded", "x-user-id", "x-session-id"}
)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class GatewayVariant:
    """A running gateway, and the status and error code of each response that it has recorded."""

    dispatcher: Dispatcher
    gateway: RunningGateway
    recorded: list[tuple[int, str]] = field(default_factory=list)

    @property
    def pipeline(self) -> Pipeline:
        """Return its pipeline."""
        return self.dispatcher._pipeline


@contextmanager
def three_variants(
    make_app: MakeApp, redis_url: str, signing_key: SigningKey, folder: Path
) -> Iterator[list[GatewayVariant]]:
    """Serve the three gateways in front of the same services."""
    (folder / "routes.toml").write_text(ROUTES)
    auth, notes = RawUpstream(), RawUpstream()
    auth.begin(AuthStandIn(signing_key, handles={hash_of(HANDLE)}, lifetime=3_000).answer)
    notes.begin(_echo)
    settings = {
        "AUTH_URL": auth.url,
        "RESOURCE_URL": notes.url,
        "GATEWAY_ROUTES": str(folder / "routes.toml"),
        "TRUSTED_PROXIES": "127.0.0.1",
        "ALLOWED_ORIGINS": "https://app.example",
    }
    # Each gateway has rate-limit counters of its own.
    apps = [make_app(**settings, REDIS_URL=f"{redis_url}?db={number}") for number in range(3)]
    dispatchers = [_dispatcher(app) for app in apps]
    _, in_task, suspended = dispatchers
    in_task.server_methods = METHODS_OF_ROUTES | {"OPTIONS", "CONNECT"}
    _suspend_admissions(suspended._pipeline)
    with ExitStack() as stack:
        gateways = [stack.enter_context(running(app)) for app in apps]
        variants = [
            GatewayVariant(dispatcher, gateway) for dispatcher, gateway in zip(dispatchers, gateways, strict=True)
        ]
        for variant in variants:
            _keep_records(variant)
        yield variants
    notes.stop()
    auth.stop()


def _dispatcher(app: Gateway) -> Dispatcher:
    dispatcher = app.begin.__self__  # type: ignore[attr-defined]  # a bound method
    assert isinstance(dispatcher, Dispatcher)
    return dispatcher


def _suspend_admissions(pipeline: Pipeline) -> None:
    admit = pipeline.admit

    def admit_after_waiting(
        request: Request, record: RequestRecord, *, is_forwarded: bool = True
    ) -> Suspendable[AdmittedRequest]:
        yield from wait_for(asyncio.sleep(0))
        return (yield from admit(request, record, is_forwarded=is_forwarded))

    pipeline.admit = admit_after_waiting  # type: ignore[method-assign]  # selects the variant


def _keep_records(variant: GatewayVariant) -> None:
    record_request = variant.dispatcher._record

    def keep(
        request: Request, record: RequestRecord, status: int, started: float, code: str = "", reason: str = ""
    ) -> None:
        variant.recorded.append((status, code))
        record_request(request, record, status, started, code, reason)

    variant.dispatcher._record = keep  # type: ignore[method-assign]  # an observer


async def _echo(conversation: Conversation) -> None:
    """Respond with the request, without fields that differ between requests. The path selects the response's form."""
    await conversation.read_body()
    body = conversation.request.body
    line, *fields = conversation.request.head.decode("latin-1").split("\r\n")
    kept = [field for field in fields if field and field.split(":")[0].lower() not in _PER_REQUEST_FIELDS]
    echo = "\n".join([line, *sorted(kept), repr(body)]).encode()
    if "/chunked" in line:
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(echo), echo)
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
    elif "/refuses" in line:
        answer = ok(echo, "WWW-Authenticate: Custom").replace(b"200 OK", b"401 Unauthorized", 1)
    elif "/rejects" in line:
        answer = ok(echo, "X-Identity-Refused: reason").replace(b"200 OK", b"401 Unauthorized", 1)
    else:
        answer = ok(echo, "ETag: x")
    await conversation.write(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if line.startswith("HEAD") else answer)


def outcomes(
    variant: GatewayVariant, key: SigningKey, line: str, fields: tuple[str, ...], body: bytes
) -> list[object]:
    """Return the responses and records of one request of a new client, sent three times on one connection.

    The first two are parsed, the header section of the second is cached, and that of the third is found in the cache.
    """
    number = next(_numbers)
    user = f"user-{number}"
    # A signature takes a millisecond, so only the tokens of the request are signed.
    kinds = [kind for kind in ("good", "bad", "expired", "refresh") if f"{{{kind}}}" in "".join(fields)]
    tokens = {kind: _token(key, kind, user, number) for kind in kinds}
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    filled = [field.format(**tokens) for field in fields]
    responses: list[object] = []
    variant.recorded.clear()
    with variant.gateway.connect() as client:
        for _ in range(3):
            try:
                answer = client.request(
                    f"{line} HTTP/1.1", "Host: gateway", f"X-Forwarded-For: {address}", *filled, body=body
                )
            except ConnectionError:
                responses.append("closed")
                break
            responses.append(comparable(answer, user))
            if answer.get("connection") == "close":
                break
    _wait_for_records(variant, len(responses) - responses.count("closed"))
    return [*responses, list(variant.recorded)]


def _wait_for_records(variant: GatewayVariant, number: int) -> None:
    """Wait until the gateway, in its own thread, has recorded the responses: a client may receive one before."""
    deadline = time.monotonic() + WAIT
    while len(variant.recorded) < number:
        assert time.monotonic() < deadline, f"{len(variant.recorded)} of {number} responses were recorded"
        time.sleep(0.001)


def _token(key: SigningKey, kind: str, user: str, number: int) -> str:
    now = time.time()
    claims = access_claims(now, sub=user, user_id=user, sid=user, jti=f"{number:032x}", exp=int(now) + 3_000)
    if kind == "expired":
        return key.sign({**claims, "iat": int(now) - 600, "exp": int(now) - 300})
    if kind == "refresh":
        return key.sign({**claims, "token_type": "refresh"}, typ="refresh+jwt")
    good = key.sign(claims)
    # The wrong signature is as long as that of a 2048-bit key.
    return good if kind == "good" else good.rpartition(".")[0] + "." + "A" * 342


def comparable(answer: RawResponse, user: str) -> object:
    """Return a response without the values that differ between requests."""
    fields = []
    for name, value in answer.fields:
        if name in ("date", "x-request-id", "retry-after", "x-access-token", "content-length"):
            value = "some"
        fields.append((name, re.sub(r";t=\d+", "", value)))
    body = re.sub(rb'"request_id": "\w+"', b"", answer.body)
    body = re.sub(
        rb"Bearer [\w.-]+|(X-Fetched-Token|traceparent): \S+|eyJ[\w.-]+", b"token", body, flags=re.IGNORECASE
    )
    return answer.status, sorted(fields), body.replace(user.encode(), b"user")
