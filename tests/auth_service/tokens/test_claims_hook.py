"""The claims hook adds claims to access tokens, and no token is issued without them."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from structlog.testing import capture_logs

from auth_service.events.client import Client
from auth_service.settings import AuthSettings
from auth_service.storage.models import SessionRow, db
from auth_service.tokens.claims_hook import (
    MAX_RUNNING,
    ClaimsHook,
    ClaimsRequest,
    ClaimsUnavailable,
    checked_claims,
)
from chassis.settings import SettingsError, load
from contract.claims import MAX_EXTRA_CLAIMS, MAX_TOKEN_LENGTH, RESERVED_CLAIMS
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.tokens import hooks
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

HOOK = "tests.auth_service.tokens.hooks:answer"
PHONE = Client("a phone", "192.0.2.7")


@pytest.fixture(autouse=True)
def fresh_hook() -> Iterator[None]:
    hooks.reset()
    yield
    hooks.released.set()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(CLAIMS_HOOK=HOOK, CLAIMS_HOOK_TIMEOUT="0.2")


def answer_with(function: Callable[[ClaimsRequest], Any]) -> None:
    hooks.answers.append(function)


def sessions_in(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(SessionRow)) or 0


def test_a_log_in_and_a_refresh_have_the_claims(ann: Person, operator: Operator) -> None:
    claims = claims_of(ann.access)
    assert (claims["tenant"], claims["plan"]) == ("tenant of ann@example.org", {"seats": 3})
    assert claims["email"] == "ann@example.org"
    assert "tenant" not in claims_of(ann.refresh)
    assert hooks.requests == [
        ClaimsRequest(ann.id, "ann@example.org", (), claims["sid"], "log_in", "127.0.0.1", "ann's phone")
    ]
    answer_with(lambda _: {"tenant": "another"})
    assert ann.refresh_tokens().status_code == 200
    assert claims_of(ann.access)["tenant"] == "another"
    assert "plan" not in claims_of(ann.access)
    assert hooks.requests[-1].occasion == "refresh"


def test_roles_are_passed_and_the_token_still_works(ann: Person, operator: Operator) -> None:
    operator.grant(ann.email, "beta", "staff")
    ann.log_in()
    assert hooks.requests[-1].roles == ("beta", "staff")
    assert ann.me().status_code == 200
    assert ann.verify(ann.access).status_code == 200


def test_a_browser_session_has_the_claims_each_time_its_token_is_renewed(
    app: Flask, ann: Person, clock: MovableClock
) -> None:
    gateway = Gateway(app.test_client(), clock)
    opened = gateway.open("handle")
    assert opened.json
    assert claims_of(opened.json["access"])["tenant"] == "tenant of ann@example.org"
    answer_with(lambda _: {"tenant": "later"})
    exchanged = gateway.exchange("handle")
    assert exchanged.json
    assert claims_of(exchanged.json["access"])["tenant"] == "later"
    answer_with(hooks.fail)
    assert gateway.exchange("handle").status_code == 503
    answer_with(lambda _: {})
    assert gateway.exchange("handle").status_code == 200


FAILURES: dict[str, Callable[[ClaimsRequest], Any]] = {
    "an error": hooks.fail,
    "a time-out": hooks.hang,
    "nothing": lambda _: None,
    "a list": lambda _: ["tenant"],
    "a reserved claim": lambda _: {"sub": "somebody else"},
    "not JSON": lambda _: {"when": object()},
    "not a number of JSON": lambda _: {"rate": float("nan")},
    "a name with a space": lambda _: {"a b": 1},
    "the end of the process": hooks.end_process,
    "a cancellation": hooks.cancel,
    "too much": lambda _: {"x": "y" * MAX_EXTRA_CLAIMS},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_log_in_without_its_claims_is_refused_and_opens_no_session(app: Flask, client: Any, failure: str) -> None:
    ann = Person(client)
    ann.register()
    answer_with(FAILURES[failure])
    with capture_logs() as logged:
        refused = ann.log_in()
    assert refused.status_code == 503
    assert refused.json
    assert refused.json["code"] == "claims_unavailable"
    assert int(refused.headers["Retry-After"]) > 0
    assert "claims_hook_failed" in [line["event"] for line in logged]
    assert sessions_in(app) == 0
    hooks.released.set()
    hooks.answers[:] = [lambda _: {}]
    assert ann.log_in().status_code == 200


@pytest.mark.parametrize("settings", [{}, {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off"}])
def test_a_failure_at_a_refresh_uses_no_token_up(
    make_app: MakeApp, clock: MovableClock, settings: dict[str, str]
) -> None:
    """The client keeps its refresh token and is not logged out, however long the hook fails."""
    app = make_app(CLAIMS_HOOK=HOOK, **settings)
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    answer_with(hooks.fail)
    for _ in range(3):
        clock.move(3_600)
        assert ann.refresh_with(ann.refresh).status_code == 503
    answer_with(lambda _: {"tenant": "again"})
    assert ann.refresh_tokens().status_code == 200
    assert claims_of(ann.access)["tenant"] == "again"


def test_the_hook_is_not_called_for_a_wrong_password_or_a_refused_token(make_app: MakeApp) -> None:
    app = make_app(CLAIMS_HOOK=HOOK, REFRESH_GRACE="0")
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    first = ann.refresh
    for _ in range(2):
        ann.refresh_tokens()
    calls = len(hooks.requests)
    ann.post("/auth/jwt/create/", email=ann.email, password="wrong")
    ann.post("/auth/jwt/create/", email="nobody@example.org", password="wrong")
    assert ann.refresh_with(first).status_code == 401
    assert ann.refresh_with(ann.refresh).status_code == 401  # the replay ended the session
    assert len(hooks.requests) == calls


def test_a_hook_that_hangs_takes_a_limited_number_of_threads() -> None:
    hook = ClaimsHook(hooks.hang, timeout=0.01)
    for _ in range(MAX_RUNNING + 3):
        with pytest.raises(ClaimsUnavailable):
            hook.claims_of("id", "ann@example.org", "", "sid", "log_in", PHONE)
    hanging = [thread for thread in threading.enumerate() if thread.name == "claims-hook"]
    assert len(hanging) == MAX_RUNNING
    hooks.released.set()
    for thread in hanging:
        thread.join(30)
    slow = ClaimsHook(lambda _: {"tenant": "a"}, timeout=5)
    assert slow.claims_of("id", "ann@example.org", "", "sid", "log_in", PHONE) == {"tenant": "a"}


def test_a_mapping_that_is_slow_to_read_is_a_failure_like_others() -> None:
    """Such as a lazy one that queries a database when its members are read."""
    began = time.monotonic()
    with pytest.raises(ClaimsUnavailable):
        ClaimsHook(lambda _: hooks.SlowClaims(), timeout=0.05).claims_of("id", "a@b.co", "", "sid", "refresh", PHONE)
    assert time.monotonic() - began < 4


def test_a_process_without_a_further_thread_fails_the_call_and_the_next_ones_succeed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = ClaimsHook(lambda _: {"tenant": "a"}, timeout=5)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", hooks.no_thread)
        for _ in range(MAX_RUNNING):
            with pytest.raises(ClaimsUnavailable):
                hook.claims_of("id", "a@b.co", "", "sid", "refresh", PHONE)
    assert hook.claims_of("id", "a@b.co", "", "sid", "refresh", PHONE) == {"tenant": "a"}


def test_a_time_out_of_the_hook_itself_is_a_failure_like_others() -> None:
    def times_out(_: ClaimsRequest) -> Any:
        raise TimeoutError("the directory")

    began = time.monotonic()
    with capture_logs() as logged, pytest.raises(ClaimsUnavailable):
        ClaimsHook(times_out, timeout=5).claims_of("id", "a@b.co", "", "sid", "refresh", PHONE)
    assert time.monotonic() - began < 4
    assert logged[0]["error"] == "TimeoutError: the directory"


def test_the_returned_value_may_change_later_without_changing_the_claims() -> None:
    returned = {"groups": ["a"]}
    claims = checked_claims(returned)
    returned["groups"].append("b")
    assert claims == {"groups": ["a"]}


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_a_reserved_claim_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is reserved"):
        checked_claims({name: "x"})


def test_a_token_with_as_many_claims_as_are_allowed_is_not_too_long(ann: Person) -> None:
    answer_with(lambda _: {"x": "y" * (MAX_EXTRA_CLAIMS - len('{"x":""}'))})
    assert ann.log_in().status_code == 200
    assert len(ann.access) < MAX_TOKEN_LENGTH
    assert ann.me().status_code == 200


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("hooks.py", "must be module:function"),
        ("no.such.module:f", "cannot be imported: ModuleNotFoundError"),
        ("tests.auth_service.tokens.hooks:missing", "names missing, which is not in the module"),
        ("tests.auth_service.tokens.hooks:number", "is not a function but of the type int"),
        ("tests.auth_service.tokens.hooks:takes_two", "must take one argument"),
        ("tests.auth_service.tokens.hooks:is_async", "is async"),
    ],
)
def test_an_unusable_hook_stops_the_start_with_its_reason(
    environ: dict[str, str], setting: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint) as raised:
        load(AuthSettings, environ | {"CLAIMS_HOOK": setting})
    assert str(raised.value).startswith("CLAIMS_HOOK ")


def test_without_a_hook_a_token_has_the_claims_of_before(make_app: MakeApp) -> None:
    ann = Person(make_app().test_client())
    ann.register()
    ann.log_in()
    assert set(claims_of(ann.access)) <= RESERVED_CLAIMS
    assert hooks.requests == []
