"""The log-in throttle stops password guessing, and owners of accounts can still log in.

A real Redis counts, by its own clock.
"""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import create_engine, text
from werkzeug.test import TestResponse

from auth_service.services import Services
from contract.internal_api import SESSIONS_PATH
from tests.auth_service.conftest import MakeApp
from tests.auth_service.gateway_calls import Gateway, hash_of
from tests.auth_service.world import PASSWORD, Person
from tests.clocks import MovableClock

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
ANN = "ann@example.org"
LOW_LIMITS = {
    "LOGIN_FAILURES": "3/hour",
    "LOGIN_FAILURES_PER_ACCOUNT": "6/hour",
    "LOGIN_FAILURES_PER_ADDRESS": "9/hour",
}


@pytest.fixture
def limited_client(make_app: MakeApp) -> FlaskClient:
    """A client of a service with low limits, at which ann is registered."""
    # Without cookies, so that no log-in comes from a known device (test_device_tokens.py).
    client = make_app(**LOW_LIMITS).test_client(use_cookies=False)
    assert Person(client).register().status_code == 201
    return client


def log_in(client: FlaskClient, password: str, address: str = HERE, email: str = ANN) -> TestResponse:
    """Return the response to a log-in that the gateway forwards for `address`."""
    headers = {"X-Forwarded-For": address}
    return client.post("/auth/jwt/create/", json={"email": email, "password": password}, headers=headers)


def fail(client: FlaskClient, times: int, address: str = HERE, email: str = ANN) -> list[int]:
    """Log in with a wrong password `times` times; return the status codes."""
    return [log_in(client, "wrong", address, email).status_code for _ in range(times)]


def assert_throttled(answer: TestResponse) -> None:
    assert answer.status_code == 429
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 3_600 + 10  # up to ten seconds are added at random
    assert answer.json == {
        "detail": f"Request was throttled. Expected available in {wait} seconds.",
        "code": "throttled",
    }


def rows(database: Path, event: str) -> int:
    """Return the number of audit records of `event`."""
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM audit_events WHERE event = :event"), {"event": event})
        count: int = found.scalar_one()
    engine.dispose()
    return count


def test_after_too_many_failures_even_the_right_password_is_refused(limited_client: FlaskClient) -> None:
    assert fail(limited_client, 3) == [401, 401, 401]
    assert_throttled(log_in(limited_client, PASSWORD))


def test_an_unknown_account_is_throttled_like_a_known_one(limited_client: FlaskClient) -> None:
    known = [log_in(limited_client, "wrong") for _ in range(5)]
    unknown = [log_in(limited_client, "wrong", ELSEWHERE, "nobody@example.org") for _ in range(5)]
    assert [answer.status_code for answer in unknown] == [answer.status_code for answer in known]
    assert known[0].data == unknown[0].data
    assert known[-1].json is not None
    assert unknown[-1].json is not None
    assert known[-1].json.keys() == unknown[-1].json.keys()
    assert set(known[-1].headers.keys()) == set(unknown[-1].headers.keys())


def test_spellings_of_one_e_mail_address_count_as_one_account(limited_client: FlaskClient) -> None:
    for spelling in (ANN, ANN.upper(), "Ann@Example.org"):
        assert fail(limited_client, 1, email=spelling) == [401]
    assert_throttled(log_in(limited_client, PASSWORD))


def test_an_attacker_does_not_lock_the_owner_out(limited_client: FlaskClient) -> None:
    fail(limited_client, 20)
    assert log_in(limited_client, PASSWORD, ELSEWHERE).status_code == 200


def test_guesses_from_many_addresses_are_refused_except_from_trusted_ones(limited_client: FlaskClient) -> None:
    """So the owner of the account can still log in from an address that the account trusts."""
    assert log_in(limited_client, PASSWORD, ELSEWHERE).status_code == 200
    statuses = [status for number in range(10) for status in fail(limited_client, 2, f"192.0.2.{number}")]
    assert statuses == [401] * 6 + [429] * 14
    assert_throttled(log_in(limited_client, PASSWORD, HERE))
    assert log_in(limited_client, PASSWORD, ELSEWHERE).status_code == 200


def test_one_password_on_many_accounts_is_throttled_by_address(limited_client: FlaskClient) -> None:
    statuses = [
        status for number in range(6) for status in fail(limited_client, 2, HERE, f"user{number}@example.org")
    ]
    assert statuses == [401] * 9 + [429] * 3
    assert_throttled(log_in(limited_client, PASSWORD))
    assert log_in(limited_client, PASSWORD, ELSEWHERE).status_code == 200


def test_an_attacker_cannot_reset_the_failures_of_an_address_with_their_own_account(
    limited_client: FlaskClient,
) -> None:
    """A log-in resets the failures of its account, not those of its address."""
    for number in range(9):
        assert log_in(limited_client, PASSWORD).status_code == 200
        assert fail(limited_client, 1, HERE, f"user{number}@example.org") == [401]
    assert_throttled(log_in(limited_client, "wrong", HERE, "user10@example.org"))


def test_a_success_resets_the_failures(limited_client: FlaskClient) -> None:
    for _ in range(4):
        assert fail(limited_client, 2) == [401, 401]
        assert log_in(limited_client, PASSWORD).status_code == 200
    assert fail(limited_client, 1) == [401]


def test_successes_are_not_counted(limited_client: FlaskClient) -> None:
    assert {log_in(limited_client, PASSWORD).status_code for _ in range(30)} == {200}


def test_an_honest_refresh_is_never_throttled(limited_client: FlaskClient) -> None:
    tokens = log_in(limited_client, PASSWORD).json
    assert tokens is not None
    fail(limited_client, 20)
    refresh = tokens["refresh"]
    for _ in range(30):
        answer = limited_client.post(
            "/auth/jwt/refresh/", json={"refresh": refresh}, headers={"X-Forwarded-For": HERE}
        )
        assert answer.status_code == 200
        assert answer.json is not None
        refresh = answer.json["refresh"]


def test_ipv6_clients_are_counted_by_their_64_bit_prefix(limited_client: FlaskClient) -> None:
    for interface in range(3):
        assert fail(limited_client, 1, f"2001:db8:1:2::{interface}") == [401]
    assert_throttled(log_in(limited_client, PASSWORD, "2001:db8:1:2:ffff::1"))
    assert log_in(limited_client, PASSWORD, "2001:db8:1:3::1").status_code == 200


def test_only_the_accounts_limit_applies_to_an_unknown_address(limited_client: FlaskClient) -> None:
    """Behind a Unix socket every client is unknown: the failures of one account must not affect the others."""
    assert fail(limited_client, 7, "unknown") == [401] * 6 + [429]
    assert log_in(limited_client, PASSWORD, "unknown", "bob@example.org").status_code == 401


def test_a_browser_login_is_throttled_by_the_browsers_address(
    limited_client: FlaskClient, clock: MovableClock
) -> None:
    """The gateway sends the request; its own address would be the same for all browsers."""
    gateway = Gateway(limited_client, clock)
    assert [gateway.open("h", password="wrong").status_code for _ in range(3)] == [401, 401, 401]
    assert_throttled(gateway.open("h"))
    members = {"email": ANN, "password": PASSWORD, "handle_hash": hash_of("h"), "address": ELSEWHERE}
    assert gateway.call(SESSIONS_PATH, **members).status_code == 200


def test_wrong_passwords_of_a_logged_in_user_are_counted_too(limited_client: FlaskClient) -> None:
    """A stolen access token allows no further guesses of the password, in a deletion or a password change."""
    ann = Person(limited_client)
    ann.log_in()
    for _ in range(3):
        assert ann.call("DELETE", "/auth/users/me/", json={"current_password": "wrong"}).status_code == 400
    assert_throttled(ann.call("DELETE", "/auth/users/me/", json={"current_password": PASSWORD}))
    assert_throttled(ann.set_password("An0ther-good-one"))


def test_parallel_guesses_do_not_exceed_the_limit(limited_client: FlaskClient) -> None:
    app = limited_client.application
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: log_in(app.test_client(), "wrong").status_code, range(64)))
    assert set(found) <= {401, 429, 503}, "503 if the hashing queue is full"
    assert 1 <= found.count(401) <= 3
    fail(limited_client, 3 - found.count(401))
    assert_throttled(log_in(limited_client, PASSWORD))


def test_registrations_are_limited_by_address_even_if_they_fail(make_app: MakeApp) -> None:
    client = make_app(REGISTRATIONS_PER_ADDRESS="3/hour").test_client()

    def register(email: str, address: str = HERE) -> TestResponse:
        members = {"email": email, "password": PASSWORD}
        return client.post("/auth/users/", json=members, headers={"X-Forwarded-For": address})

    assert [register(email).status_code for email in (ANN, ANN, "b@example.org")] == [201, 400, 201]
    assert_throttled(register("c@example.org"))
    assert_throttled(register(ANN))
    assert register("c@example.org", ELSEWHERE).status_code == 201


def test_registrations_of_one_e_mail_address_are_limited(make_app: MakeApp) -> None:
    client = make_app(REGISTRATIONS_PER_ACCOUNT="2/hour").test_client()
    members = {"email": ANN, "password": PASSWORD}
    answers = [
        client.post("/auth/users/", json=members, headers={"X-Forwarded-For": f"192.0.2.{number}"})
        for number in range(3)
    ]
    assert [answer.status_code for answer in answers] == [201, 400, 429]


def test_with_rate_limits_off_nothing_is_throttled(make_app: MakeApp) -> None:
    client = make_app(**LOW_LIMITS, RATE_LIMITS="off", REGISTRATIONS_PER_ADDRESS="1/hour").test_client()
    assert {Person(client, f"user{number}@example.org").register().status_code for number in range(3)} == {201}
    assert fail(client, 20) == [401] * 20


def test_failures_expire(make_app: MakeApp) -> None:
    """The clock of Redis cannot be moved, so the window is short here."""
    client = make_app(LOGIN_FAILURES="1/second").test_client()
    Person(client).register()
    assert fail(client, 1) == [401]
    deadline = time.monotonic() + 30
    while (answer := log_in(client, PASSWORD)).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer.status_code == 200


# --- the audit trail -----------------------------------------------------------------------------------------------


def test_the_retention_job_deletes_surplus_failed_log_ins(make_app: MakeApp, database: Path) -> None:
    """Per hour it keeps 20 rows of each account, and 100 rows of all unknown names together."""
    app = make_app(RATE_LIMITS="off")
    client, parts = app.test_client(), app.extensions["sallyport-auth"]
    assert isinstance(parts, Services)
    Person(client).register()
    fail(client, 30)
    for number in range(120):
        fail(client, 1, f"192.0.2.{number}", f"user{number}@example.org")
    assert rows(database, "login_failed") == 150
    assert parts.retention.run_once() == 30
    assert rows(database, "login_failed") == 120
    fail(client, 5)
    assert parts.retention.run_once() == 5


def test_a_throttled_log_in_is_logged_and_not_stored(
    limited_client: FlaskClient, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(limited_client, 13)
    assert rows(database, "login_failed") == 3
    assert rows(database, "login_throttled") == 0
    output = capsys.readouterr().out
    assert output.count("login_throttled") == 10
    assert ANN not in output


# --- several workers, and the keys in Redis -------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["unix:///nonexistent/redis.sock"])
def test_without_redis_each_worker_counts_alone(make_app: MakeApp, url: str) -> None:
    client = make_app(**LOW_LIMITS, REDIS_URL=url).test_client()
    Person(client).register()
    assert fail(client, 5) == [401, 401, 401, 429, 429]
    assert log_in(client, PASSWORD, ELSEWHERE).status_code == 200


def test_two_workers_share_their_counters(make_app: MakeApp, limited_client: FlaskClient) -> None:
    other = make_app(**LOW_LIMITS).test_client()
    assert fail(limited_client, 2) + fail(other, 1) == [401, 401, 401]
    for worker in (limited_client, other):
        assert_throttled(log_in(worker, PASSWORD))


def test_an_operator_can_reset_a_counter_by_the_hash_in_the_log(
    limited_client: FlaskClient, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is in docs/operations.md."""
    fail(limited_client, 4)
    account_hashes = re.findall(r"login_throttled.*?account=([0-9a-f]{32})", capsys.readouterr().out)
    for key in redis.scan_iter(f"{{tries}}:*/{account_hashes[0]}/*"):
        redis.delete(key)
    assert log_in(limited_client, PASSWORD).status_code == 200


def test_the_keys_of_counters_expire_and_contain_no_e_mail_address(limited_client: FlaskClient, redis: Redis) -> None:
    fail(limited_client, 1)
    keys: list[str] = list(redis.scan_iter("{tries}:*"))
    assert keys
    assert not [key for key in keys if "ann" in key.lower()]
    for key in keys:
        assert 0 < redis.ttl(key) <= 3_600
