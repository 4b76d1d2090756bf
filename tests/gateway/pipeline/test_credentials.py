"""The Bearer token in an Authorization value."""

import pytest

from contract.problems import Refused
from gateway.pipeline.credentials import bearer_token


@pytest.mark.parametrize(
    "value", [b"Bearer a.b.c", b"bearer a.b.c", b"BEARER a.b.c", b" Bearer  a.b.c ", b"\tBearer a.b.c\t"]
)
def test_the_token_is_found(value: bytes) -> None:
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
        (b"a.b.c", "no_credentials"),
        (b"Bearer", "token_invalid"),
        (b"Bearer  ", "token_invalid"),
        (b"Bearer a.b.c d", "token_invalid"),
        (b"Bearer " + b"x" * 8_193, "token_invalid"),
    ],
)
def test_other_values_are_refused(value: bytes | None, code: str) -> None:
    with pytest.raises(Refused) as refused:
        bearer_token(value)
    assert refused.value.code == code
    assert refused.value.status == 401
