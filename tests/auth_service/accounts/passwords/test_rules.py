"""The rules for new passwords, with the texts that clients of djoser know."""

import pytest

from auth_service.accounts.passwords.rules import PasswordRules

RULES = PasswordRules(min_length=8)

SHORT = "This password is too short. It must contain at least 8 characters."
COMMON = "This password is too common."
NUMERIC = "This password is entirely numeric."
SIMILAR = "The password is too similar to the email."
SIMILAR_TO_FIRST_NAME = "The password is too similar to the first name."
SIMILAR_TO_LAST_NAME = "The password is too similar to the last name."


@pytest.mark.parametrize(
    ("password", "complaints"),
    [
        ("Tr0ub4dor&3x", []),
        ("correct horse battery staple", []),
        ("pässwörter sind schön", []),
        ("密码密码密码密码密码", []),
        ("x" * 256, []),
        ("zq7Kp2", [SHORT]),
        ("123", [SHORT, COMMON, NUMERIC]),
        ("12345678", [COMMON, NUMERIC]),
        ("password", [COMMON]),
        ("PassWord", [COMMON]),
        ("qwerty123", [COMMON]),
        ("8503917462", [NUMERIC]),
        ("٣٤٥٦٧٨٩٠", [NUMERIC]),
        ("similarity", [SIMILAR]),
        ("Similarity1", [SIMILAR]),
        ("similarity@mail.example", [SIMILAR]),
    ],
)
def test_a_password_is_refused_with_the_texts_of_django(password: str, complaints: list[str]) -> None:
    assert RULES.complaints(password, "similarity@mail.example") == complaints


def test_the_minimum_length_can_be_set() -> None:
    assert PasswordRules(15).complaints("Tr0ub4dor&3x", "a@b.co") == [
        "This password is too short. It must contain at least 15 characters."
    ]


def test_a_common_password_is_refused_in_any_case_and_unicode_form() -> None:
    assert RULES.complaints("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "a@b.co") == [COMMON]


@pytest.mark.parametrize(
    ("password", "complaints"),
    [
        ("wilhelmina1", [SIMILAR_TO_FIRST_NAME]),
        ("Stadtler-99", [SIMILAR_TO_LAST_NAME]),
        ("correct horse wilhelmina staple", []),
    ],
)
def test_a_password_similar_to_a_name_is_refused(password: str, complaints: list[str]) -> None:
    assert RULES.complaints(password, "a@b.co", first_name="Wilhelmina", last_name="Stadtler") == complaints


def test_blank_names_are_similar_to_nothing() -> None:
    assert RULES.complaints("Tr0ub4dor&3x", "a@b.co", first_name="", last_name="") == []
