"""A device that has logged in to an account before can log in while others guess the account's password.

A real Redis counts, by its own clock. The clock of the service is movable.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from auth_service.services import services
from auth_service.throttling.device_tokens import DeviceTokens
from contract.device_cookie import DEVICE_COOKIE, DEVICE_COOKIE_LIFETIME, MAX_DEVICE_TOKEN, device_token_in
from contract.internal_api import SESSIONS_PATH
from tests.auth_service.conftest import MakeApp
from tests.auth_service.gateway_calls import Gateway, hash_of
from tests.auth_service.world import PASSWORD, Person
from tests.clocks import MovableClock

ANN, BOB = "ann@example.org", "bob@example.org"
OWNER, OFFICE, ABROAD = "203.0.113.7", "203.0.113.9", "198.51.100.20"
LOW_LIMITS = {
    "LOGIN_FAILURES": "3/hour",
    "LOGIN_FAILURES_PER_ACCOUNT": "6/hour",
    "LOGIN_FAILURES_PER_ADDRESS": "9/hour",
}


class Device:
    """A browser or an HTTP client with a cookie jar."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client.application.test_client(use_cookies=False)
        self.cookie = ""

    def log_in(self, password: str = PASSWORD, *, email: str = ANN, address: str = OWNER) -> TestResponse:
        """Log in, and keep the cookie as a browser does."""
        cookies = {"Cookie": f"theme=dark; {DEVICE_COOKIE}={self.cookie}"} if self.cookie else {}
        response = self._client.post(
            "/auth/jwt/create/",
            json={"email": email, "password": password},
            headers={"X-Forwarded-For": address, **cookies},
        )
        if "Set-Cookie" in response.headers:
            self.cookie = device_token_in(response.headers["Set-Cookie"].partition(";")[0])
        return response

    def guess(self, times: int, *, email: str = ANN, address: str = OWNER) -> list[int]:
        """Log in with a wrong password; return the status codes."""
        return [self.log_in("wrong", email=email, address=address).status_code for _ in range(times)]


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """A client of a service with low limits, at which ann and bob are registered."""
    client = make_app(**LOW_LIMITS).test_client()
    assert {Person(client, email).register().status_code for email in (ANN, BOB)} == {201}
    return client


@pytest.fixture
def known(client: FlaskClient) -> Device:
    """A device from which ann has logged in."""
    device = Device(client)
    assert device.log_in().status_code == 200
    return device


def attack_from_many_addresses(client: FlaskClient) -> None:
    """Guess ann's password until no unknown device at a new address may try it any more."""
    attacker = Device(client)
    for number in range(6):
        attacker.guess(1, address=f"192.0.2.{number}")
    assert attacker.log_in(address="192.0.2.99").status_code == 429


def test_a_known_device_logs_in_at_a_new_address_during_an_attack_from_many(
    client: FlaskClient, known: Device
) -> None:
    attack_from_many_addresses(client)
    assert Device(client).log_in(address=ABROAD).status_code == 429
    assert known.log_in(address=ABROAD).status_code == 200


def test_a_known_device_logs_in_during_an_attack_from_its_own_address(client: FlaskClient, known: Device) -> None:
    """The attacker is in the same network, whose devices share one address."""
    Device(client).guess(9)
    assert Device(client).log_in().status_code == 429
    assert known.log_in().status_code == 200


def test_a_log_in_of_a_known_device_lets_the_other_devices_at_that_address_in(
    client: FlaskClient, known: Device
) -> None:
    """The account then trusts the address: it has logged in from there."""
    attack_from_many_addresses(client)
    assert known.log_in(address=ABROAD).status_code == 200
    assert Device(client).log_in(address=ABROAD).status_code == 200


def test_an_address_where_a_link_in_a_mail_was_used_is_trusted(client: FlaskClient) -> None:
    """So a user with a new device at a new address resets the password and logs in."""
    attack_from_many_addresses(client)
    assert Device(client).guess(2, address=ABROAD) == [429, 429]
    with client.application.app_context():
        throttle = services().throttle
        throttle.trust_address(throttle.attempt(ANN, ABROAD))
        throttle.trust_address(throttle.attempt(ANN, "unknown"))
    assert Device(client).log_in(address="198.51.100.21").status_code == 429
    assert Device(client).log_in(address=ABROAD).status_code == 200


def test_a_known_device_has_a_limit_of_its_own(known: Device) -> None:
    """A stolen device token allows no more guesses than an address does."""
    assert known.guess(4) == [401, 401, 401, 429]
    assert known.log_in(address=ABROAD).status_code == 429


def test_failures_of_a_known_device_do_not_count_for_others(client: FlaskClient, known: Device) -> None:
    known.guess(4)
    assert Device(client).log_in().status_code == 200


def test_a_success_resets_the_failures_of_the_device(known: Device) -> None:
    for _ in range(3):
        assert known.guess(2) == [401, 401]
        assert known.log_in().status_code == 200


def test_a_device_token_is_valid_for_its_account_only(client: FlaskClient, known: Device) -> None:
    """So an attacker gains nothing by logging in to an account of their own."""
    known.guess(3, email=BOB, address=ABROAD)
    assert known.log_in(email=BOB, address=ABROAD).status_code == 429


def test_a_device_of_two_accounts_is_known_to_both(client: FlaskClient, known: Device) -> None:
    assert known.log_in(email=BOB).status_code == 200
    attack_from_many_addresses(client)
    assert known.log_in(address=ABROAD).status_code == 200


def test_a_device_is_forgotten_after_180_days(client: FlaskClient, known: Device, clock: MovableClock) -> None:
    attack_from_many_addresses(client)
    clock.move(DEVICE_COOKIE_LIFETIME - 1)
    cookie = known.cookie
    assert known.log_in(address=ABROAD).status_code == 200
    clock.move(1)
    known.cookie = cookie
    assert known.log_in(address="198.51.100.21").status_code == 429


@pytest.mark.parametrize("change", [str.swapcase, lambda token: token[:-1], lambda token: "0" + token, str.upper])
def test_a_changed_token_counts_as_none(client: FlaskClient, known: Device, change: type) -> None:
    attack_from_many_addresses(client)
    known.cookie = change(known.cookie)
    assert known.log_in(address=ABROAD).status_code == 429


@pytest.mark.parametrize("cookie", ["x" * (MAX_DEVICE_TOKEN + 1), "~~~", "..", "\u00e4", "0.-.-"])
def test_a_malformed_cookie_does_not_make_a_log_in_fail(client: FlaskClient, cookie: str) -> None:
    device = Device(client)
    device.cookie = cookie
    assert device.log_in().status_code == 200
    assert device.cookie != cookie


def test_the_cookie_is_for_the_log_in_alone(client: FlaskClient) -> None:
    """Scripts cannot read it, other sites cannot send it, and it is not sent with other requests."""
    header = Device(client).log_in().headers["Set-Cookie"]
    attributes = {part.strip() for part in header.split(";")[1:]}
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/auth/jwt/create/"} <= attributes
    assert f"Max-Age={DEVICE_COOKIE_LIFETIME}" in attributes


def test_a_refused_log_in_sets_no_cookie(client: FlaskClient) -> None:
    """For known and unknown accounts alike."""
    for email in (ANN, "nobody@example.org"):
        assert "Set-Cookie" not in Device(client).log_in("wrong", email=email).headers


def test_a_device_remembers_its_last_five_accounts(clock: MovableClock) -> None:
    tokens = DeviceTokens(lambda: ["a secret"], clock)
    presented = ""
    for account in "abcdefg":
        presented = tokens.renewed(presented, account)
    assert len(presented) <= MAX_DEVICE_TOKEN
    assert [account for account in "abcdefg" if tokens.device(presented, account)] == list("cdefg")


def test_a_log_in_replaces_the_token_of_its_account(clock: MovableClock) -> None:
    tokens = DeviceTokens(lambda: ["a secret"], clock)
    first = tokens.renewed("", "a")
    second = tokens.renewed(first, "a")
    assert "~" not in second
    assert tokens.device(second, "a") not in ("", tokens.device(first, "a"))
    assert DeviceTokens(lambda: ["another secret"], clock).device(second, "a") == ""


def test_parallel_guesses_from_a_known_device_do_not_exceed_its_limit(client: FlaskClient, known: Device) -> None:
    """And the owner's parallel log-ins from another known device all succeed meanwhile."""
    other = Device(client)
    assert other.log_in().status_code == 200

    def guess(number: int) -> int:
        device = Device(client)
        device.cookie = known.cookie
        return device.log_in("wrong", address=f"192.0.2.{number}").status_code

    def log_in(number: int) -> int:
        device = Device(client)
        device.cookie = other.cookie
        return device.log_in(address=ABROAD).status_code

    with ThreadPoolExecutor(12) as pool:
        guesses = [pool.submit(guess, number) for number in range(30)]
        log_ins = [pool.submit(log_in, number) for number in range(2)]
        statuses = [each.result() for each in guesses]
        assert {each.result() for each in log_ins} == {200}
    assert statuses.count(401) <= 3
    assert set(statuses) == {401, 429}


def test_without_redis_a_known_device_still_has_its_own_limit(make_app: MakeApp) -> None:
    client = make_app(**LOW_LIMITS, REDIS_URL="unix:///nonexistent/redis.sock").test_client()
    Person(client).register()
    known = Device(client)
    assert known.log_in().status_code == 200
    Device(client).guess(9)
    assert Device(client).log_in().status_code == 429
    assert known.log_in().status_code == 200


# --- browser sessions, and sessions that are logged in --------------------------------------------------------------


@pytest.fixture
def gateway(client: FlaskClient, clock: MovableClock) -> Gateway:
    return Gateway(client, clock)


def test_a_known_browser_logs_in_during_an_attack(client: FlaskClient, gateway: Gateway) -> None:
    """The gateway sends the value of the cookie, and sets the new one."""

    def log_in(handle: str, token: str, address: str) -> TestResponse:
        members = {"email": ANN, "password": PASSWORD, "handle_hash": hash_of(handle), "address": address}
        return gateway.call(SESSIONS_PATH, **members, device_token=token)

    first = log_in("first", "", OWNER)
    assert first.json
    attack_from_many_addresses(client)
    assert log_in("second", "", ABROAD).status_code == 429
    assert log_in("third", "x" * 5_000, ABROAD).status_code == 429
    second = log_in("fourth", first.json["device_token"], ABROAD)
    assert second.status_code == 200
    assert second.json
    assert second.json["device_token"] not in ("", first.json["device_token"])


def test_a_user_who_is_logged_in_can_change_the_password_during_an_attack(client: FlaskClient) -> None:
    """The session has a limit of its own: wrong current passwords of a stolen session are still limited."""
    ann, thief = Person(client), Person(client)
    ann.log_in()
    thief.log_in()
    attack_from_many_addresses(client)
    Device(client).guess(9, address="127.0.0.1")
    for _ in range(3):
        assert thief.call("DELETE", "/auth/users/me/", json={"current_password": "wrong"}).status_code == 400
    assert thief.set_password("a good horse battery").status_code == 429
    assert ann.set_password("a good horse battery").status_code == 204


def test_with_rate_limits_off_log_ins_issue_device_tokens_too(make_app: MakeApp) -> None:
    app = make_app(RATE_LIMITS="off")
    with app.app_context():
        throttle = services().throttle
        attempt = throttle.attempt(ANN, OWNER)
        token = throttle.renewed_device_token(attempt, "")
        assert throttle.attempt(ANN, OWNER, device_token=token).device
