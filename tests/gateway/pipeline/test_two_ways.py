"""A request is answered alike by the short way through the gateway (callbacks) and by the long one (a task).

Two gateways in front of the same services: one as it is, one that sends everything the long way. Each request of the
table is played at both, three times on one connection: cold, seen once, and remembered.
"""

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.revocation import Revocation
from gateway.app import Gateway
from gateway.http.request import Request
from gateway.proxy.dispatcher import Dispatcher
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.auth_stand_in import AuthStandIn, hash_of
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, limits, route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running

ROUTES = routes_toml(
    AUTH_UPSTREAM,
    NOTES_UPSTREAM,
    upstream_table("gone", "http://127.0.0.1:1", break_after=0),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/public/", "public", max_body=10),
    route_table("/api/", methods=["GET", "POST"]),
    route_table("/staff/", ["staff"]),
    route_table("/admin/", ["admin"]),
    route_table("/streams/", streams=True),
    route_table("/small-answers/", max_answer=1),
    route_table("/one/", max_concurrent=1),
    route_table("/fixed/", "public", response_headers={"X-Fixed": "yes"}),
    route_table("/gone/", "public", upstream="gone"),
    route_table("/by-address/", limits=limits(address="2/hour")),
    route_table("/open-by-address/", "public", limits=limits(address="2/hour")),
    route_table("/by-identity/", limits=limits(address="1000/hour", identity="2/hour")),
    route_table("/by-both/", limits=limits(identity="2/hour", address="2/hour")),
    route_table("/roomy/", limits=limits(address="1000/hour", identity="1000/hour")),
)

HANDLE = "h" * 43
OUR_PAGE = ("X-Requested-With: app", "Sec-Fetch-Site: same-origin")

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
        "/gone/x",
    ),
    *("/by-address/x", "/open-by-address/x", "/by-identity/x", "/roomy/x", "/auth/users/me/", "/auth/jwt/create/"),
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
    "another kind": ("Authorization: Bearer {refresh}",),
    "basic": ("Authorization: Basic YTpi",),
    "twice": ("Authorization: Bearer {good}", "Authorization: Bearer {good}"),
    "cookie": (f"Cookie: __Host-session={HANDLE}",),
    "cookie from our page": (f"Cookie: __Host-session={HANDLE}", *OUR_PAGE),
    "two cookies": (f"Cookie: __Host-session={HANDLE}; __Host-session={HANDLE}",),
    "dead cookie": (f"Cookie: __Host-session={'d' * 43}",),
    "dead cookie beside a token": (f"Cookie: __Host-session={'d' * 43}", "Authorization: Bearer {good}"),
    "others' cookies": ("Cookie: a=b", "Authorization: Bearer {good}"),
    "refresh token": ("Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh"),
    "spent refresh token": ("Authorization: Bearer {expired}", "X-Refresh-Token: spent"),
    "refresh token unneeded": ("Authorization: Bearer {good}", "X-Refresh-Token: good-refresh"),
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


@dataclass(frozen=True)
class Way:
    """A gateway, and what it has counted."""

    app: Gateway
    gateway: RunningGateway

    @property
    def proxy(self) -> Dispatcher:
        proxy = self.app.begin.__self__  # type: ignore[attr-defined]  # a bound method
        assert isinstance(proxy, Dispatcher)
        return proxy

    def recorded(self) -> "list[tuple[int, str]]":
        """Takes the status and code of every answer that was counted and logged since the last time."""
        records = _RECORDS[id(self.app)]
        taken = list(records)
        records.clear()
        return taken


async def service(conversation: Conversation) -> None:
    """Answers by the path; tells what it was sent, but for what differs from request to request."""
    await conversation.read_body()
    body = conversation.request.body
    line, *fields = conversation.request.head.decode("latin-1").split("\r\n")
    kept = [field for field in fields if field and field.split(":")[0].lower() not in _OF_ONE_REQUEST]
    told = "\n".join([line, *sorted(kept), repr(body)]).encode()
    if "/chunked" in line:
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(told), told)
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
    elif "/refuses" in line:
        answer = ok(told, "WWW-Authenticate: Custom").replace(b"200 OK", b"401 Unauthorized", 1)
    elif "/rejects" in line:
        answer = ok(told, "X-Identity-Refused: reason").replace(b"200 OK", b"401 Unauthorized", 1)
    else:
        answer = ok(told, "ETag: x")
    await conversation.write(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if line.startswith("HEAD") else answer)


_OF_ONE_REQUEST = frozenset(
    {"x-request-id", "x-identity", "x-forwarded-for", "forwarded", "x-user-id", "x-session-id"}
)


@pytest.fixture(scope="module")
def ways(
    make_app: MakeApp, redis_url: str, signing_key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Way]]:
    """The short way and the long one."""
    folder = tmp_path_factory.mktemp("two-ways")
    Path(folder / "routes.toml").write_text(ROUTES)
    auth_place, place = RawUpstream(), RawUpstream()
    auth_place.begin(AuthStandIn(signing_key, handles={hash_of(HANDLE)}, lifetime=3_000).answer)
    place.begin(service)
    settings = {
        "AUTH_URL": auth_place.url,
        "RESOURCE_URL": place.url,
        "GATEWAY_ROUTES": str(folder / "routes.toml"),
        "TRUSTED_PROXIES": "127.0.0.1",
        "ALLOWED_ORIGINS": "https://app.example",
    }
    short = make_app(**settings)
    long = make_app(**settings, REDIS_URL=f"{redis_url}?db=1")  # each counts by itself
    for app in (short, long):
        _keep_records(app)
    by_task = Way(long, RunningGateway(0, None))  # type: ignore[arg-type]  # not served yet
    by_task.proxy._needs_task = lambda cycle: True  # type: ignore[method-assign]  # the switch
    with running(short) as one, running(long) as other:
        yield [Way(short, one), Way(long, other)]
    place.stop()
    auth_place.stop()


_RECORDS: dict[int, list[tuple[int, str]]] = {}


def _keep_records(app: Gateway) -> None:
    proxy = app.begin.__self__  # type: ignore[attr-defined]  # a bound method
    record, records = proxy._record, _RECORDS.setdefault(id(app), [])

    def keep(request: Request, status: int, started: float, code: str = "", *more: str) -> None:
        records.append((status, code))
        record(request, status, started, code, *more)

    proxy._record = keep


_NUMBERS = itertools.count(1)


def played(way: Way, key: SigningKey, line: str, fields: tuple[str, ...], body: bytes) -> list[object]:
    """What comes of one request, three times, by somebody who has never asked before."""
    number = next(_NUMBERS)
    now, who = time.time(), f"user-{number}"
    claims = access_claims(now, sub=who, user_id=who, sid=who, jti=f"{number:032x}", exp=int(now) + 3_000)
    good = key.sign(claims)
    tokens = {
        "good": good,
        "bad": good.rpartition(".")[0] + "." + "A" * 342,
        "expired": key.sign({**claims, "iat": int(now) - 600, "exp": int(now) - 300}),
        "refresh": key.sign({**claims, "token_type": "refresh"}, typ="refresh+jwt"),
    }
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    filled = [field.format(**tokens) for field in fields]
    outcome: list[object] = []
    way.recorded()
    with way.gateway.connect() as client:
        for _ in range(3):
            try:
                answer = client.ask(
                    f"{line} HTTP/1.1", "Host: gateway", f"X-Forwarded-For: {address}", *filled, body=body
                )
            except ConnectionError:
                outcome.append("closed")
                break
            outcome.append(told(answer, who))
            if answer.get("connection") == "close":
                break
    return [*outcome, way.recorded()]


def told(answer: Answer, who: str) -> object:
    """An answer, without what is drawn anew for each."""
    fields = []
    for name, value in answer.fields:
        if name in ("date", "x-request-id", "retry-after", "x-access-token", "content-length"):
            value = "some"
        fields.append((name, re.sub(r";t=\d+", "", value)))
    body = re.sub(rb'"request_id": "\w+"', b"", answer.body)
    body = re.sub(
        rb"Bearer [\w.-]+|(X-Fetched-Token|traceparent): \S+|eyJ[\w.-]+", b"token", body, flags=re.IGNORECASE
    )
    return answer.status, sorted(fields), body.replace(who.encode(), b"who")


def compare(ways: list[Way], key: SigningKey, method: str, target: str, fields: tuple[str, ...]) -> None:
    of_body, body = METHODS[method]
    line = f"{method.split(' ')[0]} {target}"
    short, long = (played(way, key, line, (*fields, *of_body), body) for way in ways)
    assert short == long, f"{line} {fields}"


@pytest.mark.parametrize("path", PATHS)
def test_every_credential_on_every_route(ways: list[Way], signing_key: SigningKey, path: str) -> None:
    for fields in CREDENTIALS.values():
        compare(ways, signing_key, "GET", path, fields)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("credential", ["none", "good", "bad", "cookie", "dead cookie", "refresh token"])
def test_every_method(ways: list[Way], signing_key: SigningKey, method: str, credential: str) -> None:
    for path in ("/public/x", "/api/x", "/one/x", "/small-answers/x", "/by-address/x", "/api/rejects"):
        compare(ways, signing_key, method, path, CREDENTIALS[credential])


@pytest.mark.parametrize("path", ["/api/x", "/by-address/x", "/roomy/x", "/streams/x", "/auth/users/me/"])
def test_a_revoked_token(ways: list[Way], signing_key: SigningKey, path: str) -> None:
    """Revoked before it was ever seen, and after it was remembered."""
    outcomes = []
    for way, address in zip(ways, ("10.200.0.1", "10.200.0.2"), strict=True):
        now, sid = time.time(), f"revoked-at-{path}"
        token = signing_key.sign(access_claims(now, sid=sid, jti=sid, sub=sid, exp=int(now) + 3_000))
        fields = "Host: gateway", f"Authorization: Bearer {token}", f"X-Forwarded-For: {address}"
        revocations = way.proxy._pipeline._authentication._token_verifier._revocations
        with way.gateway.connect() as client:
            answers = [client.ask(f"GET {path} HTTP/1.1", *fields)]
            revocations.add(Revocation("sid", sid, int(now), until=int(now) + 3_000))
            answers += [client.ask(f"GET {path} HTTP/1.1", *fields) for _ in range(3)]
        outcomes.append([told(answer, sid) for answer in answers])
        assert path.startswith("/auth/") or [answer.status for answer in answers][:2] == [200, 401]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("query", QUERIES)
def test_every_origin_with_and_without_a_ticket(
    ways: list[Way], signing_key: SigningKey, origin: str, query: str
) -> None:
    for path in ("/public/x", "/api/x", "/streams/x", "/by-identity/x", "/nowhere"):
        for credential in ("none", "good", "expired", "cookie"):
            fields = (*CREDENTIALS[credential], *ORIGINS[origin])
            compare(ways, signing_key, "GET", path + QUERIES[query], fields)
