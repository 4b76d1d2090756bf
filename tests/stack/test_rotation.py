"""`python -m stack rotate`: the secrets of `make run`, and those in the folder of docker-compose.yml."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.secret_rotation.rotation import Uptime
from contract.secret_list import split_secrets
from stack.deployment_secrets import make_deployment_secrets
from stack.rotation import RotationOptions, auth_words, rotate_folder
from stack.settings import StartError

OPTIONS = RotationOptions((), waits=False, status=False, compromised=False, spread=2, refresh_lifetime=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_deployment_secrets(tmp_path)
    return tmp_path


def test_the_files_of_a_folder_are_replaced_in_place(folder: Path) -> None:
    """Compose mounts each file by itself, so another file of the same name would not be seen."""
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    done = list(rotate_folder(folder, OPTIONS))
    assert [line.partition(";")[0] for line in done] == [
        f"{name}: published a new one" for name in ("signing", "refresh", "peer", "notes")
    ]
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == inodes
    for name in ("signing.pem", "refresh.secret", "peer.secret", "notes.secret"):
        assert len(split_secrets((folder / name).read_text())) == 2
    assert len((folder / "auth.password").read_text().split()) == 1


def test_steps_that_are_not_due_and_the_status_change_nothing(folder: Path) -> None:
    list(rotate_folder(folder, OPTIONS))
    before = {path.name: path.read_text() for path in folder.iterdir()}
    for options in (OPTIONS, replace(OPTIONS, status=True)):
        lines = list(rotate_folder(folder, options))
        assert len(lines) == 4
        assert all("the old one signs, the new one is accepted; next step: 20" in line for line in lines)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_a_folder_whose_rotation_waits_makes_all_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, passed = time.time(), [0.0]
    monkeypatch.setattr("stack.rotation.time.time", lambda: began + passed[0])
    monkeypatch.setattr("stack.rotation.system_uptime", lambda: Uptime("1", passed[0]))
    monkeypatch.setattr("stack.rotation.time.sleep", lambda seconds: passed.append(passed.pop() + seconds * 20))
    lines = list(rotate_folder(folder, replace(OPTIONS, waits=True, names=("peer", "refresh"))))
    published, signing = "published a new one", "the new one signs, the old one is still accepted"
    done = [line.partition(";")[0].partition(": ") for line in lines]
    assert {name for name, _, _ in done} == {"peer", "refresh"}
    for expected in ("peer", "refresh"):
        steps = [step for name, _, step in done if name == expected]
        assert steps == [published, signing, "done, only the new one is accepted"]


def test_a_compromised_secret_is_replaced_at_once(folder: Path) -> None:
    old = (folder / "notes.secret").read_text().strip()
    assert list(rotate_folder(folder, replace(OPTIONS, compromised=True, names=("notes",)))) == [
        "notes: replaced, the old one is refused"
    ]
    assert old not in (folder / "notes.secret").read_text()


def test_the_command_of_make_run_names_the_secrets_as_the_auth_service_does(folder: Path) -> None:
    words = auth_words(folder, replace(OPTIONS, waits=True))
    assert words == [
        *("keys", "rotate", "--yes", "--wait", "--spread", "2", "signing", "refresh", "peer"),
        str(folder / "notes.secret"),
    ]
    assert auth_words(folder, replace(OPTIONS, status=True, names=("peer",)))[:2] == ["keys", "status"]


def test_a_key_of_tls_is_left_alone_and_a_key_of_assertions_is_replaced_by_its_name(folder: Path) -> None:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name in ("client_key.pem", "reports.pem"):
        (folder / name).write_bytes(key)
    assert len(list(rotate_folder(folder, OPTIONS))) == 4
    (line,) = rotate_folder(folder, replace(OPTIONS, names=("reports",)))
    assert line.startswith("reports: published")
    assert (folder / "client_key.pem").read_bytes() == key
    assert len(split_secrets((folder / "reports.public.pem").read_text())) == 2


def test_an_unknown_name_is_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(StartError, match="has no secret pear; it has: signing, refresh, peer, notes"):
        list(rotate_folder(folder, replace(OPTIONS, names=("pear",))))
