"""The Bearer token is read from an Authorization value, and any other value is refused."""

import pytest

from contract.problems import Refused
from gateway.pipeline.credentials import bearer_token


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer a.b.c",
        b"bearer a.b.c",
        b"BEARER a.b.c",
        b" Bearer  a.b.c ",
        b"\tBearer a.b.c\t",
        b"JWT a.b.c",
        b"jwt  a.b.c",
    ],
)
def test_the_token_is_read_with_any_case_of_the_scheme_and_spaces_around_it(value: bytes) -> None:
    assert bearer_token(value) == "a.b.c"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "no_credentials"),
        (b"", "no_credentials"),
        (b"   ", "no_credentials"),
        (b"Basic eDp5", "no_credentials"),
        (b"Token a.b.c", "no_credentials"),
        (b"Bearer\ta.b.c", "token_invalid"),
        (b"Bearera.b.c", "no_credentials"),
        (b"JWT", "token_invalid"),
        (b"JWT a.b.c d", "token_invalid"),
        (b"JWTa.b.c", "no_credentials"),
        (b"a.b.c", "no_credentials"),
        (b"Bearer", "token_invalid"),
        (b"Bearer  ", "token_invalid"),
        (b"Bearer a.b.c d", "token_invalid"),
        (b"Bearer " + b"x" * 8_193, "token_invalid"),  # one character over MAX_TOKEN_LENGTH
    ],
)
def test_a_value_without_exactly_one_bearer_token_is_refused(value: bytes | None, code: str) -> None:
    with pytest.raises(Refused) as refused:
        bearer_token(value)
    assert refused.value.code == code
    assert refused.value.status == 401
