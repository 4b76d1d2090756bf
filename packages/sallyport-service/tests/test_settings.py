"""The settings are checked at start, and an error names the setting and what to do."""

import hmac
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from sallyport_service import ConfigurationError, Identity, IdentityRefused, IdentityVerifier
from sallyport_service.assertion import BadSignature
from sallyport_service.key_ring import CHECK_SECONDS, KeyRing
from sallyport_service.keys import VerificationKey
from sallyport_service.testing import IdentityMinter, random_secret

GOOD = random_secret()
AUDIENCE = {"IDENTITY_AUDIENCE": "reports"}


def problem(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        IdentityVerifier(environ=environ)
    return str(caught.value)


def test_all_missing_settings_are_named_with_what_to_do() -> None:
    first, second = problem().splitlines()
    assert first.startswith("IDENTITY_SECRET is missing: set it, or IDENTITY_SECRET_FILE, to the secret")
    assert second.startswith("IDENTITY_AUDIENCE is missing: set it to the upstream's audience in routes.toml")


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("x7Kq2LmZ9t", "IDENTITY_SECRET is shorter than 32 bytes: create one with `openssl rand -hex 32`"),
        ("a" * 64, "IDENTITY_SECRET is an example or a pattern, not a random value"),
        (f"changeme{GOOD}", "IDENTITY_SECRET is an example or a pattern, not a random value"),
        ("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "IDENTITY_SECRET is not a readable public key"),
    ],
)
def test_a_weak_secret_stops_the_start(secret: str, text: str, tmp_path: Path) -> None:
    assert text in problem(IDENTITY_SECRET=secret, **AUDIENCE)
    assert secret not in problem(IDENTITY_SECRET=secret, **AUDIENCE)
    file = tmp_path / "weak.txt"
    file.write_text(secret)
    assert problem(IDENTITY_SECRET_FILE=str(file), **AUDIENCE).endswith(f"; it was read from {file}")


def test_a_file_without_a_readable_text_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 40)
    assert problem(IDENTITY_SECRET_FILE=str(binary), **AUDIENCE) == (
        f"IDENTITY_SECRET_FILE names {binary}, which is not UTF-8 text"
    )
    missing = tmp_path / "missing"
    assert problem(IDENTITY_SECRET_FILE=str(missing), **AUDIENCE) == (
        f"IDENTITY_SECRET_FILE names {missing}, which cannot be read: No such file or directory"
    )


def test_two_secrets_are_refused(tmp_path: Path) -> None:
    text = "IDENTITY_SECRET and IDENTITY_SECRET_FILE are both set: keep one"
    assert problem(IDENTITY_SECRET=GOOD, IDENTITY_SECRET_FILE=str(tmp_path / "file"), **AUDIENCE) == text


def test_a_file_may_end_with_a_line_break_and_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    file = tmp_path / "reports.secret"
    file.write_text(f"{GOOD}\n")
    verifier = IdentityVerifier(environ={"IDENTITY_SECRET": "", "IDENTITY_SECRET_FILE": str(file), **AUDIENCE})
    assert verifier.identify([IdentityMinter(GOOD, "reports").assertion("ann")]).subject == "ann"


def test_arguments_replace_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "reports.secret"
    file.write_text(GOOD)
    environ = {"IDENTITY_SECRET": random_secret(), "IDENTITY_AUDIENCE": "notes"}
    assertion = IdentityMinter(GOOD, "reports").assertion("ann")
    for verifier in (
        IdentityVerifier(GOOD, "reports", environ=environ),
        IdentityVerifier(audience="reports", secret_file=file, environ=environ),
    ):
        assert verifier.identify([assertion]).subject == "ann"


def test_the_clock_is_the_callers() -> None:
    minted_at = 1_800_000_000.0
    assertion = IdentityMinter(GOOD, "reports", clock=lambda: minted_at).assertion("ann", roles=["staff"])
    later = IdentityVerifier(GOOD, "reports", clock=lambda: minted_at + 59)
    assert later.identify([assertion]) == Identity("ann", "test-session", "test-user@example.org", ("staff",))
    with pytest.raises(IdentityRefused, match="too old"):
        IdentityVerifier(GOOD, "reports", clock=lambda: minted_at + 60).identify([assertion])


def test_an_invalid_assertion_is_logged_without_the_assertion(caplog: pytest.LogCaptureFixture) -> None:
    assertion = IdentityMinter(random_secret(), "reports").assertion()
    with pytest.raises(IdentityRefused):
        IdentityVerifier(GOOD, "reports").identify([assertion])
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("sallyport_service", logging.WARNING)
    assert record.getMessage() == "identity_rejected reason='Token has a bad signature'"


def test_a_minter_needs_the_services_configuration() -> None:
    with pytest.raises(ValueError, match="IdentityMinter needs the secret and the audience"):
        IdentityMinter(environ={})


def test_a_minter_signs_with_an_ed25519_key() -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization", reason="the extra eddsa")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem, der = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(pem, der).decode()
    assertion = IdentityMinter(private, "reports").assertion("ann")
    assert IdentityVerifier(public, "reports").identify([assertion]).subject == "ann"
    with pytest.raises(IdentityRefused):
        IdentityVerifier(GOOD, "reports").identify([assertion])


def test_two_secrets_are_accepted_while_the_gateways_secret_is_replaced(tmp_path: Path) -> None:
    old, new = random_secret(), random_secret()
    file = tmp_path / "reports.secret"
    file.write_text(f"# rotation: published since 2027-01-15T08:00:00Z\n{old}\n{new}\n")
    for verifier in (
        IdentityVerifier([old, new], "reports"),
        IdentityVerifier(f"{new}\n{old}", "reports"),
        IdentityVerifier(audience="reports", secret_file=file),
    ):
        for secret in (old, new):
            assert verifier.identify([IdentityMinter(secret, "reports").assertion("ann")]).subject == "ann"
        with pytest.raises(IdentityRefused):
            verifier.identify([IdentityMinter(random_secret(), "reports").assertion("ann")])


def test_a_weak_or_repeated_secret_in_a_list_stops_the_start() -> None:
    third = [GOOD, random_secret(), random_secret()]
    for secrets, text in (
        (["short", GOOD], "IDENTITY_SECRET is shorter than 32 bytes"),
        ([GOOD, GOOD], "IDENTITY_SECRET contains the same secret twice"),
        (third, "IDENTITY_SECRET contains 3 secrets; at most 2 are accepted at a time"),
        ([], "IDENTITY_SECRET is shorter than 32 bytes"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            IdentityVerifier(secrets, "reports")
        assert str(caught.value).startswith(text)
    assert problem(IDENTITY_SECRET=f"{GOOD}\n{GOOD}", **AUDIENCE) == "IDENTITY_SECRET contains the same secret twice"


def test_a_replaced_file_is_read_without_a_restart_and_an_unusable_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = random_secret(), random_secret()
    file = tmp_path / "reports.secret"
    file.write_text(old)
    verifier = IdentityVerifier(audience="reports", secret_file=file)
    old_assertion, new_assertion = (IdentityMinter(secret, "reports").assertion("ann") for secret in (old, new))
    for unusable in ("", "short", f"{new}\n{new}"):
        file.write_text(unusable)
        for _ in range(2):
            with pytest.raises(IdentityRefused):
                verifier.identify([new_assertion])
        assert verifier.identify([old_assertion]).subject == "ann"
    assert sum("identity_secret_rejected" in line for line in caplog.messages) == 2
    file.write_text(f"{new}\n{old}")
    assert [verifier.identify([one]).subject for one in (new_assertion, old_assertion)] == ["ann", "ann"]
    file.write_text(new)
    with pytest.raises(IdentityRefused):
        IdentityVerifier(audience="reports", secret_file=file).identify([old_assertion])
    assert new not in caplog.text


def test_a_removed_secret_is_refused_within_a_second(tmp_path: Path) -> None:
    old, new, now = random_secret(), random_secret(), [0.0]
    file = tmp_path / "reports.secret"
    file.write_text(f"{new}\n{old}")
    ring = KeyRing(file.read_text().strip(), file, monotonic=lambda: now[0])
    file.write_text(new)
    now[0] = CHECK_SECONDS
    assert len(ring.verify(lambda key: [key])) == 1
    assert ring.check() is False
    with pytest.raises(BadSignature):
        ring.verify(_only_if_signed(b"data", hmac.digest(old.encode(), b"data", "sha256")))


def _only_if_signed(data: bytes, signature: bytes) -> Callable[[VerificationKey], bool]:
    def verify(key: VerificationKey) -> bool:
        if not key.is_signed(data, signature):
            raise BadSignature
        return True

    return verify
