"""Identity headers are valid for one service, cached for thirty seconds, and safe in a header section."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.secret_rotation.watched_secret import WatchedSecret
from contract.jws import read_unverified
from contract.secret_list import identity_signer
from gateway.pipeline.identity_headers import MAX_AGE_SECONDS, IdentityHeaders
from gateway.routing.routes import Claim, Upstream
from gateway.worker.secret_watch import SecretWatch
from sallyport_service import Identity
from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.keys import verification_key
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, read_claims
from tests.watched import watched_signer

OTHER_SECRET = IDENTITY_SECRET[::-1]
NOTES = Upstream("notes", (), "notes", watched_signer(IDENTITY_SECRET), 1)
MAIL = Upstream("mail", (), "mail", watched_signer(OTHER_SECRET), 1)
WITHOUT_IDENTITY = Upstream("weather", (), "weather", None, 1)
NAMED: tuple[tuple[str, Claim], ...] = (
    ("Remote-User", "email"),
    ("X-Forwarded-User", "sub"),
    ("X-Forwarded-Groups", "roles"),
    ("X-Webauth-Session", "sid"),
)
APP = Upstream("app", (), "app", None, 1, identity_headers=NAMED)
APP_WITH_ASSERTION = Upstream("both", (), "both", watched_signer(IDENTITY_SECRET), 1, identity_headers=NAMED)


def fields(lines: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines.decode("ascii").removesuffix("\r\n").split("\r\n"))


def identity_in(lines: bytes, now: float, secret: str = IDENTITY_SECRET, audience: str = "notes") -> Identity:
    return verify(fields(lines)["X-Identity"], key=verification_key(secret), audience=audience, now=now)


def test_the_assertion_and_the_plain_headers_name_the_subject(clock: MovableClock) -> None:
    lines = IdentityHeaders(10).lines(read_claims(), NOTES, clock())
    assert identity_in(lines, clock()) == Identity("ada-id", "ada-session", "ada@example.org", ("user", "staff"))
    readable = {name: value for name, value in fields(lines).items() if name != "X-Identity"}
    assert readable == {
        "X-User-Id": "ada-id",
        "X-User-Email": "ada@example.org",
        "X-User-Roles": "user staff",
        "X-Session-Id": "ada-session",
    }


def test_each_service_gets_an_assertion_of_its_own(clock: MovableClock) -> None:
    """A compromised service cannot use its assertions or its secret at another one."""
    identity_headers = IdentityHeaders(10)
    for_notes, for_mail = (identity_headers.lines(read_claims(), upstream, clock()) for upstream in (NOTES, MAIL))
    identity_in(for_mail, clock(), OTHER_SECRET, "mail")
    for lines, secret, audience in (
        (for_notes, OTHER_SECRET, "mail"),
        (for_notes, IDENTITY_SECRET, "mail"),
        (for_mail, IDENTITY_SECRET, "notes"),
    ):
        with pytest.raises(InvalidAssertion):
            identity_in(lines, clock(), secret, audience)


def test_a_service_with_identity_false_gets_no_identity_headers(clock: MovableClock) -> None:
    assert IdentityHeaders(10).lines(read_claims(), WITHOUT_IDENTITY, clock()) == b""


def test_an_assertion_is_cached_for_thirty_seconds(clock: MovableClock) -> None:
    """It is still valid when it is sent for the last time, even with ten seconds of clock skew."""
    identity_headers = IdentityHeaders(10)
    first = identity_headers.lines(read_claims(), NOTES, clock())
    clock.move(MAX_AGE_SECONDS - 1)
    assert identity_headers.lines(read_claims(), NOTES, clock()) == first
    identity_in(first, clock() + 10)
    clock.move(1)
    second = identity_headers.lines(read_claims(), NOTES, clock())
    assert second != first
    identity_in(second, clock() + 59)


def test_each_token_has_its_own_assertion(clock: MovableClock) -> None:
    identity_headers = IdentityHeaders(10)
    ada = identity_headers.lines(read_claims(), NOTES, clock())
    bob = identity_headers.lines(read_claims(jti="jti-2", subject="bob-id"), NOTES, clock())
    assert identity_in(bob, clock()).subject == "bob-id"
    assert identity_in(ada, clock()).subject == "ada-id"


def test_the_cache_is_bounded_and_keeps_live_assertions(clock: MovableClock) -> None:
    """If it evicted them, it would be useless as soon as more tokens are in use than it holds."""
    identity_headers = IdentityHeaders(3)
    first = identity_headers.lines(read_claims(jti="jti-0"), NOTES, clock())
    for number in range(1, 10):
        identity_headers.lines(read_claims(jti=f"jti-{number}"), NOTES, clock())
    assert len(identity_headers) == 3
    clock.move(1)
    assert identity_headers.lines(read_claims(jti="jti-0"), NOTES, clock()) == first
    again = identity_headers.lines(read_claims(jti="jti-9"), NOTES, clock())
    assert identity_in(again, clock()).subject == "ada-id"


@pytest.mark.parametrize(("seconds", "in_use"), [(5, 80), (300, 0)], ids=["some expired", "all expired"])
def test_expired_assertions_are_deleted_by_the_next_requests(
    clock: MovableClock, seconds: float, in_use: int
) -> None:
    identity_headers = IdentityHeaders(1_000)
    for number in range(200):  # within 25 seconds; the last 80 of them in the second period of 15 seconds
        identity_headers.lines(read_claims(jti=f"jti-{number}"), NOTES, clock())
        clock.move(0.125)
    assert len(identity_headers) == 200
    clock.move(seconds)
    for _ in range(20):
        identity_headers.lines(read_claims(jti="new"), NOTES, clock())
    assert len(identity_headers) == in_use + 1


@pytest.mark.parametrize("seconds", [7.5, 15, 22.5, 29.9, 30, 31, 45, 60, 3_600])
@pytest.mark.parametrize("start", [0, 7, 14.9])
def test_an_assertion_is_never_sent_after_thirty_seconds(clock: MovableClock, start: float, seconds: float) -> None:
    identity_headers = IdentityHeaders(10)
    clock.move(start)
    identity_headers.lines(read_claims(), NOTES, clock())
    clock.move(seconds)
    lines = identity_headers.lines(read_claims(), NOTES, clock())
    issued_at = read_unverified(fields(lines)["X-Identity"])["iat"]
    assert int(clock()) - MAX_AGE_SECONDS <= issued_at <= clock()


def test_after_the_clock_was_set_back_an_assertion_is_signed_again(clock: MovableClock) -> None:
    identity_headers = IdentityHeaders(10)
    identity_headers.lines(read_claims(), NOTES, clock())
    clock.move(-MAX_AGE_SECONDS)
    identity_in(identity_headers.lines(read_claims(), NOTES, clock()), clock())


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_claim_cannot_end_its_line(subject: str, email: str) -> None:
    lines = IdentityHeaders(1).lines(
        read_claims(subject=subject, email=email, roles=("a\r\nX-Evil: 1",)), NOTES, 1_800_000_000
    )
    # Five lines: the assertion and four plain headers.
    assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r") == 5
    assert lines.isascii()
    assert lines.decode().replace("\r\n", "").isprintable()


# --- identity_headers of an upstream --------------------------------------------------------------------------------


def test_an_app_gets_the_claims_in_the_fields_of_its_choice(clock: MovableClock) -> None:
    lines = IdentityHeaders(10).lines(read_claims(), APP, clock())
    assert fields(lines) == {
        "Remote-User": "ada@example.org",
        "X-Forwarded-User": "ada-id",
        "X-Forwarded-Groups": "user,staff",
        "X-Webauth-Session": "ada-session",
    }


def test_an_app_may_get_the_assertion_as_well(clock: MovableClock) -> None:
    lines = IdentityHeaders(10).lines(read_claims(), APP_WITH_ASSERTION, clock())
    assert identity_in(lines, clock(), audience="both").email == fields(lines)["Remote-User"] == "ada@example.org"


def test_text_that_is_not_printable_ascii_is_percent_encoded(clock: MovableClock) -> None:
    claims = read_claims(email="zo\u00eb%@example.org", roles=("d\u00e9v", "a,b", "50%"))
    named = fields(IdentityHeaders(10).lines(claims, APP, clock()))
    assert named["Remote-User"] == "zo%C3%AB%25@example.org"
    assert named["X-Forwarded-Groups"] == "d%C3%A9v,a%2Cb,50%25"


def test_a_user_without_roles_has_no_field_for_them(clock: MovableClock) -> None:
    assert "X-Forwarded-Groups" not in fields(IdentityHeaders(10).lines(read_claims(roles=()), APP, clock()))


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
)
def test_no_claim_can_end_its_line_or_add_a_role(subject: str, email: str, roles: list[str]) -> None:
    lines = IdentityHeaders(1).lines(read_claims(subject=subject, email=email, roles=tuple(roles)), APP, 0)
    assert lines.isascii()
    number = 1 + bool(subject) + bool(email) + bool(roles)
    assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r") == number
    assert lines.decode().replace("\r\n", "").isprintable()
    received = fields(lines)
    assert unquote(received.get("Remote-User", "")) == email
    assert [unquote(role) for role in received.get("X-Forwarded-Groups", "").split(",") if role] == roles


def test_assertions_of_a_replaced_secret_are_forgotten(clock: MovableClock, tmp_path: Path) -> None:
    """They would be sent for thirty seconds, and the service may refuse them by then."""
    file = tmp_path / "notes.secret"
    file.write_text(IDENTITY_SECRET)
    signer = WatchedSecret("notes.secret", IDENTITY_SECRET, file, identity_signer)
    upstream, identity_headers = replace(NOTES, signer=signer), IdentityHeaders(10)
    watch = SecretWatch([None, signer], identity_headers.forget)
    first = identity_headers.lines(read_claims(), upstream, clock())
    watch.check()
    assert identity_headers.lines(read_claims(), upstream, clock()) == first
    file.write_text(f"{OTHER_SECRET}\n{IDENTITY_SECRET}\n")
    assert signer.check(), "a request may look at the file before the task does"
    watch.check()
    second = identity_headers.lines(read_claims(), upstream, clock())
    identity_in(second, clock(), OTHER_SECRET)


def test_the_assertion_contains_the_claims_of_the_claims_hook(clock: MovableClock) -> None:
    claims = read_claims()._replace(extra='{"tenant":"acm\\u00e9","plan":{"seats":3}}')
    lines = IdentityHeaders(10).lines(claims, NOTES, clock())
    identity = identity_in(lines, clock())
    assert identity.claims == {"tenant": "acmé", "plan": {"seats": 3}}
    assert (identity.subject, identity.roles) == ("ada-id", ("user", "staff"))
