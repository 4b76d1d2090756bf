"""A secret setting contains one usable secret, or two different ones."""

import hashlib

import pytest

from contract.claims import InvalidToken
from contract.jws import BadSignature
from contract.keys import UnusableKey, secret_id
from contract.secret_list import identity_signer, shared_secrets, split_secrets, verify_with_any

ONE, TWO, THREE = (hashlib.sha256(name).hexdigest() for name in (b"one", b"two", b"three"))
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----".format


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, (ONE,)),
        (f"  {ONE}\r\n\n{TWO} \n", (ONE, TWO)),
        (f"# rotation: signing since 2027-01-15T08:00:00Z\n{ONE}\n# the old one\n{TWO}\n", (ONE, TWO)),
        (f"#{ONE}", (f"#{ONE}",)),
        (f"# a comment\n{PEM('a')}\ntext\n{PEM('b')}\n", (PEM("a"), PEM("b"))),
    ],
)
def test_secrets_are_lines_or_pem_blocks(text: str, expected: tuple[str, ...]) -> None:
    assert split_secrets(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        (f"{ONE}\n{ONE}", "contains the same secret twice"),
        (f"{ONE}\n{TWO}\n{THREE}", "contains 3 secrets; at most 2 are accepted at a time"),
        (f"{ONE}\nshort", "is shorter than 32 bytes"),
        (f"changeme{TWO}\n{ONE}", "is an example or a pattern, not a random value"),
    ],
)
def test_an_unusable_list_is_refused_without_showing_a_secret(text: str, problem: str) -> None:
    with pytest.raises(UnusableKey) as error:
        shared_secrets(text)
    assert str(error.value) == problem


def test_the_first_secret_signs_an_assertion() -> None:
    assert (
        identity_signer(f"{TWO}\n{ONE}").sign(b"x")
        == identity_signer(TWO).sign(b"x")
        != identity_signer(ONE).sign(b"x")
    )
    with pytest.raises(UnusableKey, match="shorter"):
        identity_signer(f"{ONE}\nshort")


def test_another_secret_is_tried_only_if_the_signature_is_that_of_none_before() -> None:
    tried = []

    def verify(secret: str) -> str:
        tried.append(secret)
        if secret == ONE:
            raise BadSignature
        raise InvalidToken("Token is expired")

    with pytest.raises(InvalidToken, match="Token is expired"):
        verify_with_any([ONE, TWO, THREE], verify)
    assert tried == [ONE, TWO]
    with pytest.raises(BadSignature):
        verify_with_any([ONE], verify)


def test_the_id_of_a_secret_does_not_contain_it() -> None:
    assert secret_id(ONE) != secret_id(TWO)
    assert len(secret_id(ONE)) == 12
    assert secret_id(ONE) not in ONE
