"""Recorded messages are still read and still sent, so that releases can run side by side."""

import json
from typing import Any

import pytest

from contract.claims import AccessClaims, read_access_claims
from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS, sign
from contract.keys import assertion_signer
from contract.peer_token import PEER_HEADER, sign_peer, verify_peer
from contract.problems import PROBLEMS, Refused
from contract.revocation import EPOCH, STREAM, Revocation, read_revocation
from sallyport_service import Identity
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.clocks import MovableClock
from tests.contract.recorded import recorded
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness

ASSERTIONS = recorded("assertions")
ACCESS = recorded("access_tokens")
REVOCATIONS = recorded("revocations")
PEER = recorded("peer_tokens")
PROBLEM_VECTORS = recorded("problems")

STANDARD_MEMBERS = ("type", "title", "status", "detail", "code", "request_id")


class RecordedKeys(Publisher):
    """An auth service that publishes the recorded keys."""

    async def __call__(self) -> bytes:
        return json.dumps(ACCESS["jwks"]).encode()


def identity_of(vector: dict[str, str | list[str]]) -> Identity:
    return Identity(**{**vector, "roles": tuple(vector["roles"])})  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", ASSERTIONS["assertions"])
def test_a_recorded_assertion_is_accepted(vector: dict[str, object]) -> None:
    key = verification_key(ASSERTIONS["keys"][vector["algorithm"]]["verifier"])
    found = verify(str(vector["assertion"]), key=key, audience="notes", now=ASSERTIONS["now"])
    assert found == identity_of(vector["identity"])  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", ASSERTIONS["assertions"])
def test_a_recorded_assertion_is_still_signed_to_the_byte(vector: dict[str, object]) -> None:
    signer = assertion_signer(ASSERTIONS["keys"][vector["algorithm"]]["signer"])
    identity = identity_of(vector["identity"])  # type: ignore[arg-type]
    assert sign(identity, signer=signer, audience="notes", now=ASSERTIONS["now"]) == vector["assertion"]


def test_the_identity_headers_keep_their_names() -> None:
    assert IDENTITY_HEADER == "X-Identity"
    assert UNSIGNED_HEADERS == ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")


def test_recorded_access_claims_are_read() -> None:
    expected = {name: ACCESS[name] for name in ("issuer", "audience", "now")}
    found = read_access_claims(ACCESS["claims"], **expected)
    assert found == AccessClaims(**{**ACCESS["read"], "roles": tuple(ACCESS["read"]["roles"])})


@pytest.mark.parametrize("algorithm", ACCESS["tokens"])
def test_a_recorded_access_token_is_accepted(algorithm: str) -> None:
    harness = VerifierHarness(MovableClock(ACCESS["now"]), RecordedKeys([]))
    assert harness.answer(ACCESS["tokens"][algorithm]) == "ok"
    assert harness.presented[0].session == ACCESS["read"]["session"]


@pytest.mark.parametrize("entry", REVOCATIONS["entries_with_until"])
def test_a_recorded_revocation_is_read_and_still_written(entry: dict[str, dict[str, str]]) -> None:
    revocation = Revocation(**entry["revocation"])  # type: ignore[arg-type]
    assert read_revocation(entry["fields"]) == revocation
    assert revocation.to_fields() == entry["fields"]


@pytest.mark.parametrize("entry", REVOCATIONS["entries"])
def test_a_recorded_revocation_without_until_lasts_as_long_as_the_longest_access_token(
    entry: dict[str, dict[str, str]],
) -> None:
    """Earlier releases write these, and may run beside this release during an upgrade."""
    revocation = read_revocation(entry["fields"])
    recorded_part = {name: getattr(revocation, name) for name in entry["revocation"]}
    assert (recorded_part, revocation.until) == (entry["revocation"], revocation.at + 86_400)


def test_the_revocation_keys_keep_their_names() -> None:
    assert (REVOCATIONS["stream"], REVOCATIONS["epoch"]) == (STREAM, EPOCH)


@pytest.mark.parametrize("fields", REVOCATIONS["none"])
def test_a_malformed_revocation_is_rejected(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_revocation(fields)


def test_a_recorded_peer_token_is_accepted_and_still_sent() -> None:
    assert PEER["header"] == PEER_HEADER
    verify_peer(PEER["token"], PEER["secret"], now=PEER["now"])
    assert sign_peer(PEER["secret"], now=PEER["now"]) == PEER["token"]


def test_recorded_codes_keep_their_status() -> None:
    """Codes may be added, but neither removed nor changed to another status."""
    statuses = {code: problem.status for code, problem in PROBLEMS.items()}
    assert PROBLEM_VECTORS["statuses"].items() <= statuses.items()


@pytest.mark.parametrize("vector", PROBLEM_VECTORS["answers"])
def test_a_recorded_refusal_is_still_sent(vector: dict[str, Any]) -> None:
    extra = {name: value for name, value in vector["members"].items() if name not in STANDARD_MEMBERS}
    refused = Refused(vector["code"], vector["detail"], vector["retry_after"], extra=extra)
    assert refused.status == vector["status"]
    assert refused.to_headers() == vector["headers"]
    assert refused.to_members("3f0e4c1b9a550d6d") == vector["members"]
