"""Identity headers are valid for one service, cached for thirty seconds, and safe in a header section."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.claims import InvalidToken
from contract.identity import Identity, verify
from contract.keys import assertion_signer, assertion_verifier
from gateway.pipeline.identity_headers import MAX_AGE_SECONDS, IdentityHeaders
from gateway.routing.routes import Upstream
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, read_claims

OTHER_SECRET = IDENTITY_SECRET[::-1]
NOTES = Upstream("notes", (), "notes", assertion_signer(IDENTITY_SECRET), 1)
MAIL = Upstream("mail", (), "mail", assertion_signer(OTHER_SECRET), 1)
WITHOUT_IDENTITY = Upstream("weather", (), "weather", None, 1)


def fields(lines: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines.decode("ascii").removesuffix("\r\n").split("\r\n"))


def identity_in(lines: bytes, now: float, secret: str = IDENTITY_SECRET, audience: str = "notes") -> Identity:
    return verify(fields(lines)["X-Identity"], verifier=assertion_verifier(secret), audience=audience, now=now)


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
        with pytest.raises(InvalidToken):
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


def test_the_cache_is_bounded(clock: MovableClock) -> None:
    identity_headers = IdentityHeaders(3)
    for number in range(10):
        identity_headers.lines(read_claims(jti=f"jti-{number}"), NOTES, clock())
    assert len(identity_headers._cache) == 3


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_claim_cannot_end_its_line(subject: str, email: str) -> None:
    lines = IdentityHeaders(1).lines(
        read_claims(subject=subject, email=email, roles=("a\r\nX-Evil: 1",)), NOTES, 1_800_000_000
    )
    # Five lines: the assertion and four plain headers.
    assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r") == 5
    assert lines.isascii()
    assert lines.decode().replace("\r\n", "").isprintable()
