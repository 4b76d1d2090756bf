"""A replaced secret is used without a restart, and an unusable one changes nothing."""

import secrets
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chassis.secret_rotation.watched_secret import CHECK_SECONDS, Secrets, WatchedSecret, verify_with, watched_secrets
from chassis.settings import Settings, StrongSecret, load
from contract.jws import BadSignature
from contract.secret_list import shared_secrets
from tests.clocks import MovableClock

OLD, NEW = secrets.token_hex(32), secrets.token_hex(32)


class SomeSettings(Settings):
    """Settings with one secret."""

    peer_secret: StrongSecret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "peer.secret"
    path.write_text(f"{OLD}\n")
    return path


@pytest.fixture
def monotonic() -> MovableClock:
    return MovableClock()


@pytest.fixture
def watched(file: Path, monotonic: MovableClock) -> Secrets:
    return WatchedSecret("PEER_SECRET", OLD, file, shared_secrets, monotonic=monotonic)


def test_a_changed_file_is_read_within_a_second_of_use(watched: Secrets, file: Path, monotonic: MovableClock) -> None:
    file.write_text(f"{OLD}\n{NEW}\n")
    assert watched.current() == (OLD,)
    monotonic.move(CHECK_SECONDS)
    with capture_logs() as logs:
        assert watched.current() == (OLD, NEW)
    assert [line["event"] for line in logs] == ["secret_loaded"]
    assert OLD not in str(logs)


def test_a_file_that_was_replaced_by_another_one_is_read(watched: Secrets, file: Path) -> None:
    """Kubernetes replaces a link; an editor replaces the file."""
    other = file.with_name("other")
    other.write_text(f"{NEW}\n")
    file.unlink()
    file.symlink_to(other)
    assert watched.check()
    assert watched.current() == (NEW,)


@pytest.mark.parametrize("content", ["", "short", f"{NEW}\n{NEW}", "\0" * 40])
def test_an_unusable_secret_changes_nothing_and_is_logged_once(watched: Secrets, file: Path, content: str) -> None:
    file.write_text(content)
    with capture_logs() as logs:
        for _ in range(3):
            assert not watched.check()
    assert watched.current() == (OLD,)
    assert [(line["event"], line["file"]) for line in logs] == [("secret_rejected", str(file))]
    file.write_text(NEW)
    assert watched.check()
    assert watched.current() == (NEW,)


def test_a_missing_file_changes_nothing_and_is_logged_once(watched: Secrets, file: Path) -> None:
    file.unlink()
    with capture_logs() as logs:
        for _ in range(3):
            assert not watched.check()
    assert [line["error"] for line in logs] == ["No such file or directory"]
    assert watched.current() == (OLD,)


def test_a_signature_of_no_known_secret_is_a_reason_to_look_at_the_file(watched: Secrets, file: Path) -> None:
    """The sender may have read the new secret less than a second ago."""

    def verify(secret: str) -> str:
        if secret != NEW:
            raise BadSignature
        return "verified"

    with pytest.raises(BadSignature):
        verify_with(watched, verify)
    file.write_text(f"{NEW}\n{OLD}\n")
    assert verify_with(watched, verify) == "verified"


def test_a_setting_from_a_file_is_watched_and_one_from_the_environment_is_not(file: Path) -> None:
    by_file = watched_secrets(load(SomeSettings, {"PEER_SECRET_FILE": str(file)}), "peer_secret")
    by_value = watched_secrets(load(SomeSettings, {"PEER_SECRET": f"{OLD}\n{NEW}"}), "peer_secret")
    file.write_text(NEW)
    assert (by_file.check(), by_file.current()) == (True, (NEW,))
    assert (by_value.check(), by_value.current()) == (False, (OLD, NEW))
