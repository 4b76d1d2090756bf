"""A secret's file is replaced step by step; a command that dies at any point can be repeated."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.secret_rotation import secret_file
from chassis.secret_rotation.rotation import Rotation, Step, Waits
from chassis.secret_rotation.rotator import Target, advance, replace_at_once, rotate, state_of
from chassis.secret_rotation.secret_file import SecretFile, SecretFileError
from contract.keys import assertion_signer
from contract.secret_list import split_secrets
from sallyport_service.key_ring import read_keys
from tests.clocks import MovableClock

OLD = "0123456789abcdef" * 4
NOW = 1_800_000_000.0
WAITS = Waits(published=10, signing=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "peer.secret"
    file.write_text(OLD)
    file.chmod(0o640)
    return file


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


def target_of(path: Path, waits: Waits = WAITS, *, in_place: bool = False) -> Target:
    return Target("peer", SecretFile(path, in_place=in_place, publishes_keys=True), lambda _: waits)


@pytest.mark.parametrize("in_place", [False, True])
def test_each_step_waits_until_it_is_due_and_repeating_it_changes_nothing(path: Path, in_place: bool) -> None:
    target, inode = target_of(path, in_place=in_place), path.stat().st_ino
    assert advance(target, NOW, begins=False).done == ""
    assert path.read_text() == OLD

    assert advance(target, NOW, begins=True).done == "published"
    old, new = split_secrets(path.read_text())
    assert old == OLD
    waiting = advance(target, NOW + 9, begins=True)
    assert (waiting.done, waiting.due_at) == ("", NOW + 10)

    assert advance(target, NOW + 10, begins=True).done == "signing"
    assert split_secrets(path.read_text()) == (new, old)
    assert advance(target, NOW + 109, begins=True).done == ""

    assert advance(target, NOW + 110, begins=True).done == "retired"
    assert path.read_text() == f"{new}\n", "as before, for readers that take the whole text for the secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_ino == inode or not in_place, "it is mounted"
    assert os.listdir(path.parent) == [path.name]


def test_the_last_token_decides_when_a_secret_retires(path: Path) -> None:
    target = target_of(path, Waits(0, 100, tokens_expire_at=NOW + 5_000))
    for done in ("published", "signing"):
        assert advance(target, NOW, begins=True).done == done
    assert advance(target, NOW + 4_999, begins=True).due_at == NOW + 5_000
    assert advance(target, NOW + 5_000, begins=True).done == "retired"


def test_a_rotation_begins_only_at_its_age(path: Path) -> None:
    os.utime(path, (NOW, NOW))
    target = target_of(path)
    assert advance(target, NOW + 99, begins=True, min_age=100).done == ""
    assert advance(target, NOW + 100, begins=True, min_age=100).done == "published"


@pytest.mark.parametrize("step", [Step.SINGLE, Step.PUBLISHED, Step.SIGNING])
def test_a_compromised_secret_is_replaced_at_every_step(path: Path, step: Step) -> None:
    target = target_of(path, Waits(0, 100))
    for _ in range([Step.SINGLE, Step.PUBLISHED, Step.SIGNING].index(step)):
        advance(target, NOW, begins=True)
    before = split_secrets(path.read_text())
    assert replace_at_once(target, NOW).done == "replaced"
    (new,) = split_secrets(path.read_text())
    assert new not in before
    assert state_of(target, NOW).due_at is None


def test_a_command_that_died_while_it_wrote_in_place_is_completed_by_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is half written. The copy beside it is whole."""

    def die(file: Path, content: bytes) -> None:
        file.write_bytes(content[:50])
        raise KeyboardInterrupt

    target = target_of(path, Waits(0, 0), in_place=True)
    with monkeypatch.context() as patch:
        patch.setattr(secret_file, "_overwrite", die)
        with pytest.raises(KeyboardInterrupt):
            advance(target, NOW, begins=True)
    assert advance(target, NOW, begins=True).done == "signing"
    new, old = split_secrets(path.read_text())
    assert old == OLD != new
    assert os.listdir(path.parent) == [path.name]


def test_a_copy_of_a_command_that_died_does_not_undo_what_was_written_since(path: Path) -> None:
    target, newer = target_of(path, in_place=True), "fedcba9876543210" * 4
    target.file.copy_path.write_text(OLD)
    written_at = target.file.copy_path.stat().st_mtime + secret_file.COMPLETION_SECONDS
    path.write_text(newer)
    os.utime(path, (written_at, written_at))
    assert state_of(target, NOW).rotation.secrets == (newer,)
    assert not target.file.copy_path.exists()


@pytest.mark.parametrize("in_place", [False, True])
def test_a_symbolic_link_stays_one_because_other_processes_read_its_target(path: Path, in_place: bool) -> None:
    link = path.parent / "linked" / "peer.secret"
    link.parent.mkdir()
    link.symlink_to(path)
    advance(target_of(link, in_place=in_place), NOW, begins=True)
    assert link.is_symlink()
    assert link.read_text() == path.read_text()
    assert len(split_secrets(path.read_text())) == 2


def test_the_public_keys_of_a_gateway_are_published_before_it_signs_with_them(tmp_path: Path) -> None:
    path = tmp_path / "reports.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    target = target_of(path, Waits(0, 0))
    public = tmp_path / "reports.public.pem"
    counts = []
    for done in ("published", "signing", "retired"):
        assert advance(target, NOW, begins=True).done == done
        signer, keys = assertion_signer(split_secrets(path.read_text())[0]), read_keys(public.read_text())
        assert any(key.is_signed(b"data", signer.sign(b"data")) for key in keys)
        assert "PRIVATE" not in public.read_text()
        counts.append(len(keys))
    assert counts == [2, 2, 1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f"{OLD}\n{OLD[::-1]}", "contains two secrets and does not say which is new"),
        (f"# rotation: signing since yesterday\n{OLD}\n{OLD[::-1]}", "'yesterday' is not a time"),
        ("", "is empty"),
        (f"{OLD}\n{OLD}", "contains the same secret twice"),
        ("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", "is not a readable private key"),
    ],
)
def test_an_unusable_file_is_named(path: Path, content: str, problem: str) -> None:
    path.write_text(content)
    with pytest.raises(SecretFileError) as error:
        advance(target_of(path), NOW, begins=True)
    assert str(path) in str(error.value)
    assert problem in str(error.value)
    assert path.read_text() == content


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match=r"nothing\.secret cannot be read: No such file or directory"):
        state_of(target_of(tmp_path / "nothing.secret"), NOW)


def test_a_command_that_waits_does_not_wait_for_months(path: Path, clock: MovableClock) -> None:
    target = target_of(path, Waits(published=10, signing=10_000_000))
    steps = list(rotate([target], clock, clock.move))
    assert [(step.done, step.due_at) for step in steps] == [
        ("published", steps[0].rotation.since + 10),
        ("signing", steps[1].rotation.since + 10_000_000),
    ]
    assert [step.done for step in rotate([target], clock, clock.move)] == [""]
    clock.move(10_000_000)
    assert [step.done for step in rotate([target], clock, clock.move)] == ["retired"]


def test_a_rotation_does_not_show_its_secrets() -> None:
    assert OLD not in repr(Rotation((OLD,), Step.SINGLE, NOW))
