"""Requests for mails are limited, and owners of accounts can still request theirs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from auth_service.services import services
from auth_service.throttling.login_throttle import LoginThrottle, Throttled
from tests.auth_service.conftest import MakeApp

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
ANN = "ann@example.org"
MAIL_LIMITS = {
    "MAIL_REQUESTS": "2/hour",
    "MAIL_REQUESTS_PER_ACCOUNT": "4/hour",
    "MAIL_REQUESTS_PER_ADDRESS": "6/hour",
}


def request_mail(throttle: LoginThrottle, email: str = ANN, address: str = HERE, *, kind: str = "reset") -> bool:
    """Return whether a request for a mail is admitted."""
    try:
        throttle.admit_mail_request(kind, throttle.attempt(email, address))
    except Throttled:
        return False
    return True


@pytest.fixture
def mail_throttle(make_app: MakeApp) -> LoginThrottle:
    with make_app(**MAIL_LIMITS).app_context():
        return services().throttle


def test_mails_to_one_account_are_limited_from_one_address_and_from_all(mail_throttle: LoginThrottle) -> None:
    """Whether the account exists or not, and in every spelling of its address."""
    assert [request_mail(mail_throttle, email) for email in (ANN, ANN.upper(), ANN)] == [True, True, False]
    admitted = [request_mail(mail_throttle, address=f"192.0.2.{number}") for number in range(4)]
    assert admitted == [True, True, False, False]
    assert request_mail(mail_throttle, "nobody@example.org", ELSEWHERE)


def test_requests_for_one_kind_of_mail_do_not_block_another(mail_throttle: LoginThrottle) -> None:
    """Otherwise a stranger could keep the owner from a password reset by requests that send no mail at all."""
    for number in range(5):
        request_mail(mail_throttle, address=f"192.0.2.{number}", kind="activation")
    assert not request_mail(mail_throttle, kind="activation")
    assert request_mail(mail_throttle, kind="reset")


def test_requests_for_mails_from_one_address_are_limited(mail_throttle: LoginThrottle) -> None:
    kinds = ("reset", "activation") * 4
    admitted = [request_mail(mail_throttle, f"user{number}@example.org", kind=kinds[number]) for number in range(8)]
    assert admitted == [True] * 6 + [False] * 2
    assert request_mail(mail_throttle, address=ELSEWHERE)


def test_the_owner_can_request_a_mail_while_requests_of_others_are_refused(mail_throttle: LoginThrottle) -> None:
    """From an address where the account has logged in recently."""
    mail_throttle.record_success(mail_throttle.attempt(ANN, ELSEWHERE))
    for number in range(10):
        request_mail(mail_throttle, address=f"192.0.2.{number}")
    assert not request_mail(mail_throttle, address=HERE)
    assert [request_mail(mail_throttle, address=ELSEWHERE) for _ in range(3)] == [True, True, False]


def test_only_the_accounts_limit_applies_to_requests_for_mails_from_an_unknown_address(
    mail_throttle: LoginThrottle,
) -> None:
    assert [request_mail(mail_throttle, address="unknown") for _ in range(5)] == [True] * 4 + [False]
    assert request_mail(mail_throttle, "bob@example.org", "unknown")


def test_parallel_requests_for_mails_do_not_exceed_the_limit(mail_throttle: LoginThrottle) -> None:
    with ThreadPoolExecutor(16) as pool:
        admitted = list(pool.map(lambda _: request_mail(mail_throttle), range(64)))
    assert admitted.count(True) == 2
