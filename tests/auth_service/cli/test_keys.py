"""The operator rotates the signing key and retires the previous one, without ending a session."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from auth_service.services import services
from auth_service.settings import AuthSettings
from auth_service.tokens.key_use import MARGIN
from chassis.settings import load
from contract.claims import LEEWAY
from tests.auth_service.cli.conftest import Run, RunJson
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Person
from tests.clocks import MovableClock


@pytest.fixture
def key_file(environ: dict[str, str], tmp_path: Path) -> Path:
    """The file of the signing key, which the settings name; the file of the previous key does not exist."""
    path = tmp_path / "keys" / "signing.pem"
    path.parent.mkdir()
    path.write_text(environ.pop("SIGNING_KEY"))
    path.chmod(0o640)
    environ["SIGNING_KEY_FILE"] = str(path)
    return path


def previous_of(key_file: Path) -> Path:
    return key_file.with_name("previous_signing.pem")


def restart(make_app: MakeApp, environ: dict[str, str], key_file: Path) -> Person:
    """Start the service with the present keys, and return ann, who is a client of it."""
    if previous_of(key_file).exists():
        environ["PREVIOUS_SIGNING_KEY_FILE"] = str(previous_of(key_file))
    app = make_app()
    with app.app_context():
        services().key_use.record()
    return Person(app.test_client())


def kids(run_json: RunJson) -> dict[str, str]:
    """Return the kid of each key, by its role."""
    return {key["role"]: key["kid"] for key in run_json("keys", "list")}


def test_tokens_of_the_previous_key_stay_valid_after_a_rotation(
    run: Run, run_json: RunJson, make_app: MakeApp, environ: dict[str, str], key_file: Path
) -> None:
    before = restart(make_app, environ, key_file)
    before.register()
    before.log_in()
    old = kids(run_json)["signing"]
    rotated = run_json("keys", "rotate", "--yes")
    assert rotated["previous_kid"] == old
    assert rotated["next"][0].startswith(f"set PREVIOUS_SIGNING_KEY_FILE={previous_of(key_file)}")
    assert "restart every process of the auth service" in rotated["next"][1]
    assert "PRIVATE" not in previous_of(key_file).read_text()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (key_file, previous_of(key_file))}
    assert modes == {0o640}
    after = restart(make_app, environ, key_file)
    assert after.me(before.access).status_code == 200
    assert after.refresh_with(before.refresh).status_code == 200
    assert kids(run_json) == {"signing": rotated["signing_kid"], "previous": old}
    assert [path.name for path in key_file.parent.iterdir() if path.name.startswith(".")] == []


def test_a_previous_key_is_retired_only_when_its_last_token_has_expired(
    run: Run,
    run_json: RunJson,
    make_app: MakeApp,
    environ: dict[str, str],
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: MovableClock,
) -> None:
    """The process that signs with the old key must be restarted before. Until then no time is late enough."""
    monkeypatch.setattr("auth_service.cli.commands.create_app", lambda settings: make_app())
    before = restart(make_app, environ, key_file)
    before.register()
    run_json("keys", "rotate", "--yes")
    environ["PREVIOUS_SIGNING_KEY_FILE"] = str(previous_of(key_file))
    lifetime = load(AuthSettings, environ).access_token_lifetime
    still_running = before.client.application
    for _ in range(3):
        with still_running.app_context():
            services().key_use.record()
        clock.move(MARGIN + lifetime)
        for verb in ("retire", "rotate"):
            refused = run("keys", verb, "--yes")
            assert refused.exit_code == 1
            assert "restart every process of the auth service" in refused.stderr
            assert "until 2027-01-15T08:" in refused.stderr
    clock.move(LEEWAY + 1)
    retired = run_json("keys", "retire", "--yes")
    assert retired["next"] == ["restart every process of the auth service; the gateway needs no restart"]
    assert previous_of(key_file).read_bytes() == b""
    restart(make_app, environ, key_file)
    assert list(kids(run_json)) == ["signing"]
    again = run("keys", "retire", "--yes")
    assert (again.exit_code, "there is no previous key" in again.stderr) == (1, True)


def test_a_rotation_that_died_between_its_steps_can_be_repeated(
    run: Run, run_json: RunJson, key_file: Path, environ: dict[str, str]
) -> None:
    previous_of(key_file).write_text(key_file.read_text())
    old = kids(run_json)["signing"]
    assert run_json("keys", "rotate", "--yes")["previous_kid"] == old
    environ["PREVIOUS_SIGNING_KEY_FILE"] = str(previous_of(key_file))
    assert kids(run_json)["previous"] == old


def test_the_new_key_is_of_the_same_kind(run: Run, run_json: RunJson, key_file: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key_file.write_bytes(pem)
    run_json("keys", "rotate", "--yes")
    assert [key["algorithm"] for key in run_json("keys", "list")] == ["EdDSA"]


def test_a_rotation_is_confirmed(run: Run, key_file: Path) -> None:
    pem = key_file.read_text()
    refused = run("keys", "rotate", typed="n\n")
    assert (refused.exit_code, refused.stdout, key_file.read_text()) == (1, "", pem)
    assert f"Replace the key in {key_file}" in refused.stderr


@pytest.mark.parametrize("verb", ["rotate", "retire"])
def test_keys_in_the_environment_cannot_be_changed(run: Run, verb: str) -> None:
    refused = run("keys", verb, "--yes")
    assert refused.exit_code == 1
    assert "SIGNING_KEY is in the environment and not in a file" in refused.stderr
    assert "SIGNING_KEY_FILE" in refused.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_reported(run: Run, key_file: Path) -> None:
    key_file.parent.chmod(0o500)
    refused = run("keys", "rotate", "--yes")
    key_file.parent.chmod(0o700)
    assert refused.exit_code == 1
    assert f"{previous_of(key_file)} cannot be written: Permission denied" in refused.stderr
