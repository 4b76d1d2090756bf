"""A one-time ticket opens one stream, once, within thirty seconds."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chassis.redis_clients import redis_client
from contract.problems import Refused
from contract.revocation import SESSION, STREAM, Revocation
from gateway.browser_sessions.tickets import Tickets
from gateway.redis_clients import ticket_redis
from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import PAST_EXPIRY, PEER_SECRET, SigningKey, access_claims, read_claims
from tests.gateway.browser import COOKIE, SAME_ORIGIN, log_in_for_cookie
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import WAIT, RawUpstream
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving
from tests.gateway.stand_ins.valkey import Valkey, valkey_server
from tests.gateway.stand_ins.websocket_service import websocket_service
from tests.watched import watched


@pytest.fixture(scope="module")
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture(scope="module")
def gateway(make_app: MakeApp, clock: ShiftedClock) -> Iterator[RunningGateway]:
    with running(make_app(clock)) as served:
        yield served


@pytest.fixture(scope="module")
def second_gateway(make_app: MakeApp, clock: ShiftedClock) -> Iterator[RunningGateway]:
    """A second gateway with the same Redis."""
    with running(make_app(clock)) as served:
        yield served


@pytest.fixture
def ada(signing_key: SigningKey, clock: ShiftedClock) -> str:
    """The Authorization field with a new token of Ada's."""
    now = clock()
    return f"Authorization: Bearer {signing_key.sign(access_claims(now, sid=f's-{now}', jti=f'j-{now}'))}"


def request_ticket(gateway: RunningGateway, *fields: str) -> RawResponse:
    return single_request(gateway.port, "POST /session/ticket HTTP/1.1", "Host: h", "Content-Length: 0", *fields)


def ticket_of(gateway: RunningGateway, *fields: str) -> str:
    answer = request_ticket(gateway, *fields)
    assert answer.status == 200, answer
    members = json.loads(answer.body)
    assert members.keys() == {"ticket", "expires_in"}
    ticket: str = members["ticket"]
    return ticket


def get(gateway: RunningGateway, target: str, *fields: str) -> RawResponse:
    return single_request(gateway.port, f"GET {target} HTTP/1.1", "Host: h", *fields)


def test_a_ticket_opens_a_stream_for_its_user(gateway: RunningGateway, upstream: RawUpstream, ada: str) -> None:
    ticket = ticket_of(gateway, ada)
    assert len(ticket) >= 43  # 256 bits
    assert get(gateway, f"/streams/x?a=1&ticket={ticket}&b=2").status == 200
    assert upstream.last.request_line == "GET /streams/x?a=1&b=2 HTTP/1.1"
    assert upstream.last.get("x-user-id") == "ada-id"
    assert ticket.encode() not in upstream.last.head


def test_a_trailing_slash_is_accepted(gateway: RunningGateway, ada: str) -> None:
    """/session/ticket/ works like every other endpoint for clients."""
    fields = ("Host: h", "Content-Length: 0", ada)
    assert single_request(gateway.port, "POST /session/ticket/ HTTP/1.1", *fields).status == 200


def test_a_query_with_only_a_ticket_is_removed(gateway: RunningGateway, upstream: RawUpstream, ada: str) -> None:
    assert get(gateway, f"/streams/x?ticket={ticket_of(gateway, ada)}").status == 200
    assert upstream.last.request_line == "GET /streams/x HTTP/1.1"


def test_the_response_with_a_ticket_is_not_cached_and_needs_credentials(gateway: RunningGateway, ada: str) -> None:
    answer = request_ticket(gateway, ada)
    assert answer.get("cache-control") == "no-store"
    assert json.loads(answer.body)["expires_in"] == 30
    assert request_ticket(gateway).problem["code"] == "no_credentials"
    assert request_ticket(gateway, "Authorization: Bearer made.up.token").problem["code"] == "token_invalid"


def test_a_ticket_is_redeemed_once_at_any_gateway(
    gateway: RunningGateway, second_gateway: RunningGateway, upstream: RawUpstream, ada: str
) -> None:
    """Of twenty concurrent requests at two gateways, one succeeds."""
    ticket = ticket_of(gateway, ada)

    def redeem(number: int) -> int:
        return get((gateway, second_gateway)[number % 2], f"/streams/x?ticket={ticket}").status

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(redeem, range(20))) == [200] + [401] * 19
    assert len(upstream.requests) == 1
    again = get(second_gateway, f"/streams/x?ticket={ticket}")
    assert (again.status, again.problem["code"]) == (401, "ticket_invalid")


def test_a_ticket_expires_after_thirty_seconds(gateway: RunningGateway, clock: ShiftedClock, ada: str) -> None:
    ticket, other = ticket_of(gateway, ada), ticket_of(gateway, ada)
    clock.move(29)
    assert get(gateway, f"/streams/x?ticket={ticket}").status == 200
    clock.move(1)
    assert get(gateway, f"/streams/x?ticket={other}").problem["code"] == "ticket_invalid"


def test_redis_stores_no_ticket_and_expires_its_hash(gateway: RunningGateway, ada: str, redis_url: str) -> None:
    ticket = ticket_of(gateway, ada)
    with redis_client(redis_url) as redis:
        keys = list(redis.scan_iter("ticket:*"))
        assert keys
        assert all(0 < redis.ttl(key) <= 30 for key in keys)
        assert not any(ticket.encode() in key + (redis.get(key) or b"") for key in keys)


def test_write_access_to_redis_is_not_enough_to_forge_a_ticket(
    gateway: RunningGateway, upstream: RawUpstream, ada: str, redis_url: str
) -> None:
    """Changed claims are refused, and so are claims that were copied to another ticket."""
    changed, moved, target = (ticket_of(gateway, ada) for _ in range(3))
    with redis_client(redis_url) as redis:
        keys = {ticket: _redis_key_of(ticket) for ticket in (changed, moved, target)}
        redis.set(keys[changed], (redis.get(keys[changed]) or b"").replace(b"ada-id", b"eve-id"))
        redis.set(keys[target], redis.get(keys[moved]) or b"")
        redis.set(_redis_key_of("made-up"), b"x" * 10)
    for ticket in (changed, target, "made-up"):
        assert get(gateway, f"/streams/x?ticket={ticket}").problem["code"] == "ticket_invalid"
    assert upstream.requests == []


def _redis_key_of(ticket: str) -> str:
    return f"ticket:{sha256(ticket.encode()).hexdigest()}"


def test_a_ticket_opens_streams_only(gateway: RunningGateway, upstream: RawUpstream, ada: str) -> None:
    ticket = ticket_of(gateway, ada)
    for method, target in (("GET", "/api/x"), ("POST", "/streams/x"), ("GET", "/ws/x")):
        answer = single_request(
            gateway.port, f"{method} {target}?ticket={ticket} HTTP/1.1", "Host: h", "Content-Length: 0"
        )
        assert answer.problem["code"] == "no_credentials", (method, target)
    assert get(gateway, f"/streams/x?ticket={ticket}").status == 200  # the ticket was not redeemed before


def test_a_ticket_with_another_credential_is_refused_unless_that_is_a_cookie(
    gateway: RunningGateway, upstream: RawUpstream, ada: str
) -> None:
    ticket = ticket_of(gateway, ada)
    assert get(gateway, f"/streams/x?ticket={ticket}", ada).problem["code"] == "multiple_credentials"
    assert get(gateway, f"/streams/x?ticket={ticket}&ticket=x").problem["code"] == "multiple_credentials"
    assert get(gateway, f"/streams/x?ticket={ticket}", f"Cookie: {COOKIE}=other").status == 200


def test_a_ticket_of_an_ended_session_is_refused(
    gateway: RunningGateway, signing_key: SigningKey, clock: ShiftedClock, redis_url: str
) -> None:
    now = clock()
    token = signing_key.sign(access_claims(now, sid="ticket-session", jti="ticket"))
    fields = f"Authorization: Bearer {token}"
    ticket = ticket_of(gateway, fields)
    with redis_client(redis_url) as redis:
        redis.xadd(STREAM, Revocation(SESSION, "ticket-session", int(now), int(now) + 300).to_fields())
    deadline = time.monotonic() + WAIT
    while get(gateway, "/api/x", fields).status == 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert get(gateway, f"/streams/x?ticket={ticket}").problem["code"] == "token_revoked"


def test_a_ticket_needs_the_role_of_the_route(
    make_app: MakeApp, upstream: RawUpstream, ada: str, signing_key: SigningKey, clock: ShiftedClock, tmp_path: Path
) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text(
        routes_toml(upstream_table("n", identity=False), route_table("/s/", ["staff"], upstream="n", streams=True))
    )
    plain = signing_key.sign(access_claims(clock(), roles="user", jti="plain"))
    with running(make_app(clock, GATEWAY_ROUTES=str(routes))) as gateway:
        assert get(gateway, f"/s/?ticket={ticket_of(gateway, ada)}").status == 200
        refused = get(gateway, f"/s/?ticket={ticket_of(gateway, f'Authorization: Bearer {plain}')}")
        assert (refused.status, refused.problem["code"]) == (403, "insufficient_scope")


def test_a_cookie_gets_a_ticket_only_for_pages_of_the_same_origin(
    make_app: MakeApp, upstream: RawUpstream, signing_key: SigningKey, clock: ShiftedClock
) -> None:
    auth = AuthStandIn(signing_key, clock)
    with serving(auth) as server, running(make_app(clock, AUTH_URL=server.url)) as gateway:
        cookie = log_in_for_cookie(gateway)
        assert request_ticket(gateway, cookie).problem["code"] == "cross_site"
        assert get(gateway, f"/streams/x?ticket={ticket_of(gateway, cookie, *SAME_ORIGIN)}").status == 200


def test_a_websocket_opened_by_a_ticket_ends_when_its_token_expires(
    make_app: MakeApp, clock: ShiftedClock, ada: str
) -> None:
    with websocket_service() as service, running(make_app(clock, RESOURCE_URL=service.url)) as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/ws/x?ticket={ticket_of(gateway, ada)}"
        with connect(url, legacy=True, proxy=None, origin=None) as client:
            client.send("hello")
            assert client.recv(WAIT) == "hello"
            clock.move(PAST_EXPIRY)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(WAIT)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token_expired")


@pytest.fixture
def stoppable() -> Iterator[Valkey]:
    with valkey_server() as server:
        yield server


def test_while_redis_is_down_tickets_get_503_and_other_requests_are_served(
    make_app: MakeApp, upstream: RawUpstream, clock: ShiftedClock, ada: str, stoppable: Valkey
) -> None:
    with running(make_app(clock, REDIS_URL=stoppable.url)) as gateway:
        ticket = ticket_of(gateway, ada)
        stoppable.stop()
        for answer in (request_ticket(gateway, ada), get(gateway, f"/streams/x?ticket={ticket}")):
            assert (answer.status, answer.problem["code"]) == (503, "tickets_unavailable")
            assert answer.get("retry-after") is not None
        assert get(gateway, "/streams/x", ada).status == 200


def test_a_ticket_of_a_gateway_that_has_read_the_other_secret_is_redeemed(redis_url: str) -> None:
    old, new = PEER_SECRET, PEER_SECRET[::-1]

    async def redeem(issuing: str, redeeming: str) -> str:
        redis = ticket_redis(redis_url)
        try:
            ticket = await Tickets(redis, watched(issuing), time.time).issue(read_claims())
            return (await Tickets(redis, watched(redeeming), time.time).redeem(ticket)).subject
        finally:
            await redis.aclose()

    for issuing, redeeming in ((old, f"{old}\n{new}"), (f"{old}\n{new}", f"{new}\n{old}"), (f"{new}\n{old}", new)):
        assert asyncio.run(redeem(issuing, redeeming)) == read_claims().subject
    with pytest.raises(Refused, match="ticket_invalid"):
        asyncio.run(redeem(old, new))


def test_a_ticket_keeps_the_claims_of_the_claims_hook_and_without_them_has_the_form_of_before(redis_url: str) -> None:
    async def redeem(extra: str) -> tuple[str, object]:
        redis = ticket_redis(redis_url)
        tickets = Tickets(redis, watched(PEER_SECRET), time.time)
        try:
            ticket = await tickets.issue(read_claims(extra=extra))
            stored = await redis.get(f"ticket:{sha256(ticket.encode()).hexdigest()}")
            return (await tickets.redeem(ticket)).extra, stored
        finally:
            await redis.aclose()

    assert asyncio.run(redeem('{"tenant":"acme"}'))[0] == '{"tenant":"acme"}'
    extra, stored = asyncio.run(redeem(""))
    assert extra == ""
    assert isinstance(stored, bytes)
    assert b"extra" not in stored  # gateways of earlier versions would fail
