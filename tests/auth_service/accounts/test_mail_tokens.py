"""Mail tokens: each is valid for one user, one purpose, one hour and one use."""

import base64
import hmac
import json
import re
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.accounts.mail_tokens import (
    CLOCK_LEEWAY,
    MailTokens,
    Purpose,
    applies_to,
    decode_uid,
    encode_uid,
)
from auth_service.accounts.user import AccountStatus, User

NOW = 1_800_000_000.5
HOUR = 3_600
ANN = User(UUID(int=7), "ann@example.org", "Ann", "Lee", "", AccountStatus.ACTIVE, "hash", NOW - 99, NOW - 99)
NEW_ANN = replace(ANN, status=AccountStatus.UNVERIFIED)
USERS = {
    Purpose.ACTIVATION: NEW_ANN,
    Purpose.PASSWORD_RESET: ANN,
    Purpose.EMAIL_RESET: ANN,
    Purpose.INVITATION: NEW_ANN,
}
SECRET = "s" * 32
tokens = MailTokens(lambda: [SECRET], HOUR)


@pytest.mark.parametrize("issued_for", Purpose)
@pytest.mark.parametrize("used_for", Purpose)
@pytest.mark.parametrize("status", AccountStatus)
def test_a_token_is_valid_for_its_purpose_only(issued_for: Purpose, used_for: Purpose, status: AccountStatus) -> None:
    user = replace(ANN, status=status)
    token = tokens.issue(issued_for, user, NOW)
    expected = issued_for == used_for and applies_to(used_for, user)
    assert tokens.verify(used_for, user, token, NOW) == expected


@pytest.mark.parametrize(
    ("purpose", "statuses"),
    [
        (Purpose.ACTIVATION, ["unverified"]),
        (Purpose.PASSWORD_RESET, ["unverified", "active"]),
        (Purpose.EMAIL_RESET, ["active"]),
        (Purpose.INVITATION, ["unverified"]),
    ],
)
def test_no_token_is_valid_for_a_barred_user(purpose: Purpose, statuses: list[str]) -> None:
    assert [each for each in AccountStatus if applies_to(purpose, replace(ANN, status=each))] == statuses


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_is_valid_for_its_lifetime(purpose: Purpose) -> None:
    user = USERS[purpose]
    token = tokens.issue(purpose, user, NOW)
    ages = {-60: False, -CLOCK_LEEWAY: True, 0: True, HOUR - 1: True, HOUR + 1: False, 10 * HOUR: False}
    assert {age: tokens.verify(purpose, user, token, NOW + age) for age in ages} == ages


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "change",
    [
        {"password_changed_at": NOW},
        {"email": "new@example.org"},
        {"email_changed_at": NOW},
        {"status": AccountStatus.BARRED},
        {"status": AccountStatus.ACTIVE},
        {"status": AccountStatus.UNVERIFIED},
        {"id": UUID(int=8)},
    ],
    ids=str,
)
def test_a_token_dies_with_a_change_of_the_password_the_address_or_the_status(
    purpose: Purpose, change: dict[str, object]
) -> None:
    user = USERS[purpose]
    token = tokens.issue(purpose, user, NOW)
    changed = replace(user, **change)  # type: ignore[arg-type]  # each value has the type of its field
    assert tokens.verify(purpose, changed, token, NOW) == (changed == user)


def test_another_name_role_or_language_and_a_rehash_leave_a_token_valid() -> None:
    token = tokens.issue(Purpose.PASSWORD_RESET, ANN, NOW)
    changed = replace(ANN, first_name="Anna", roles="staff", language="fr", password_hash="hash at a higher cost")
    assert tokens.verify(Purpose.PASSWORD_RESET, changed, token, NOW)


def test_a_token_has_256_bits_of_authentication_code() -> None:
    token = tokens.issue(Purpose.PASSWORD_RESET, ANN, NOW)
    issued_at, code = token.split("-", 1)
    assert int(issued_at, 36) == int(NOW)
    assert len(base64.urlsafe_b64decode(code + "=")) == 32
    assert re.fullmatch(r"[\w-]+", token, re.ASCII), "it needs no escape in a URL"


def test_another_secret_refuses_a_token() -> None:
    token = tokens.issue(Purpose.PASSWORD_RESET, ANN, NOW)
    assert not MailTokens(lambda: ["t" * 32], HOUR).verify(Purpose.PASSWORD_RESET, ANN, token, NOW)


def test_a_token_of_the_next_or_the_previous_secret_is_accepted_while_there_are_two() -> None:
    token = tokens.issue(Purpose.PASSWORD_RESET, ANN, NOW)
    for pair in (["t" * 32, SECRET], [SECRET, "t" * 32]):
        assert MailTokens(lambda both=pair: both, HOUR).verify(Purpose.PASSWORD_RESET, ANN, token, NOW)  # type: ignore[misc]


def test_the_key_is_not_the_secret_itself() -> None:
    """A token must not be an authentication code that another use of the secret could return."""
    covered = json.dumps(["password_reset", str(ANN.id), int(NOW), "active", NOW - 99, "ann@example.org", NOW - 99])
    secret = SECRET.encode()
    with_secret = hmac.digest(secret, covered.encode(), "sha256")
    with_derived_key = hmac.digest(hmac.digest(secret, b"mail tokens", "sha256"), covered.encode(), "sha256")
    code = base64.urlsafe_b64decode(tokens.issue(Purpose.PASSWORD_RESET, ANN, NOW).split("-", 1)[1] + "=")
    assert code == with_derived_key != with_secret


@given(position=st.integers(0, 49), character=st.sampled_from("0aA-_=. é\0\n"))
def test_a_token_with_another_character_is_refused(position: int, character: str) -> None:
    token = tokens.issue(Purpose.PASSWORD_RESET, ANN, NOW)
    position %= len(token) + 1
    for altered in (
        token[:position] + character + token[position + 1 :],
        token[:position] + character + token[position:],
    ):
        assert tokens.verify(Purpose.PASSWORD_RESET, ANN, altered, NOW) == (altered == token)


@given(st.text(max_size=60))
def test_no_text_but_a_token_is_accepted(text: str) -> None:
    assert not tokens.verify(Purpose.PASSWORD_RESET, ANN, text, NOW)


@given(st.uuids())
def test_a_uid_is_the_user_id_in_base64url(user_id: UUID) -> None:
    """As djoser's, which encodes the text of the id."""
    uid = encode_uid(user_id)
    assert base64.urlsafe_b64decode(uid + "=" * (-len(uid) % 4)).decode() == str(user_id)
    assert decode_uid(uid) == user_id


UID = encode_uid(UUID(int=7))


@pytest.mark.parametrize(
    "uid", ["", "zz", "é", "\0", UID + "=", UID[:-1], UID + "A", UID.lower(), f"{UID}\n", "A" * 9_999]
)
def test_another_text_is_no_uid(uid: str) -> None:
    assert decode_uid(uid) is None


@given(st.text(max_size=80))
def test_a_uid_has_one_spelling(text: str) -> None:
    user_id = decode_uid(text)
    assert user_id is None or encode_uid(user_id) == text
