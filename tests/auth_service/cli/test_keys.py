"""The operator replaces keys and secrets of running processes, without ending a session or failing a request."""

import math
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask

from auth_service.services import services
from auth_service.tokens.key_use import MARGIN
from chassis.secret_rotation import watched_secret
from chassis.secret_rotation.rotation import Uptime
from contract.claims import LEEWAY
from contract.secret_list import split_secrets
from tests.auth_service.cli.conftest import Run, RunJson
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Person
from tests.clocks import MovableClock

SPREAD, JWKS_CACHED = 120, 300
LIFETIME = 300
"""The default of ACCESS_TOKEN_LIFETIME, in seconds."""

FileOf = Callable[[str], Path]


@pytest.fixture
def file_of(environ: dict[str, str], tmp_path: Path) -> FileOf:
    """Return a function that moves a secret setting into a file of mode 640, and returns the file."""
    folder = tmp_path / "keys"
    folder.mkdir()

    def move(setting: str) -> Path:
        path = folder / setting.lower()
        path.write_text(environ.pop(setting))
        path.chmod(0o640)
        environ[f"{setting}_FILE"] = str(path)
        return path

    return move


@pytest.fixture
def same_clock(make_app: MakeApp, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands have the clock of the test, and an uptime that goes with it."""
    monkeypatch.setattr("auth_service.cli.keys.system_uptime", lambda: Uptime("1", clock()))
    monkeypatch.setattr("auth_service.cli.commands.create_app", lambda settings: make_app())


class Process:
    """A process of the service, which reads the files when it looks at them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.ann = Person(app.test_client())
        self.work()

    def work(self) -> None:
        """Look at the signing key's file, and record the use of the keys, as a process does all the time."""
        with self.app.app_context():
            services().keys.check()
            services().key_use.record()

    def kids(self) -> list[str]:
        jwks = self.app.test_client().get("/.well-known/jwks.json").get_json()
        return [key["kid"] for key in jwks["keys"]]


def roles(run_json: RunJson, *names: str) -> dict[str, str]:
    """Return the id of each secret by its role."""
    return {row["role"]: row["id"] for row in run_json("keys", "status", *names)}


@pytest.mark.usefixtures("same_clock")
def test_the_signing_key_is_published_then_signs_and_its_predecessor_goes_with_its_last_token(
    run_json: RunJson, make_app: MakeApp, file_of: FileOf, clock: MovableClock
) -> None:
    file = file_of("SIGNING_KEY")
    process = Process(make_app())
    ann = process.ann
    ann.register()
    ann.log_in()
    old = roles(run_json, "signing")["signing"]

    (published,) = run_json("keys", "rotate")
    assert published["done"] == "published"
    new = roles(run_json, "signing")["published"]
    assert process.kids() == [old, new]
    clock.move(SPREAD + JWKS_CACHED - 1)
    process.work()
    assert [done["done"] for done in run_json("keys", "rotate")] == [""], "readers may not know the new key yet"

    clock.move(2)
    assert [done["done"] for done in run_json("keys", "rotate")] == ["signing"]
    assert roles(run_json, "signing") == {"signing": new, "retiring": old}
    process.work()
    assert process.kids() == [new, old]
    ann.log_in()  # its access token is the last but one of the old key
    assert len([block for block in split_secrets(file.read_text()) if "PRIVATE" in block]) == 1

    clock.move(MARGIN + LIFETIME + LEEWAY - 20)
    assert [done["done"] for done in run_json("keys", "rotate")] == [""], "a token of the old key may be valid"
    clock.move(SPREAD + 20)
    assert [done["done"] for done in run_json("keys", "rotate")] == ["retired"]
    assert roles(run_json, "signing") == {"signing": new}
    assert process.kids() == [new]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.usefixtures("same_clock")
@pytest.mark.parametrize("setting", ["SIGNING_KEY", "REFRESH_SECRET"])
def test_two_processes_accept_each_others_tokens_at_every_step(
    run_json: RunJson,
    make_app: MakeApp,
    file_of: FileOf,
    clock: MovableClock,
    setting: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within a step, a process looks at the file only because of a token that it cannot verify."""
    file_of(setting)
    first, second = make_app(), make_app()
    ann = Person(first.test_client())
    ann.register()
    ann.log_in()
    name = {"SIGNING_KEY": "signing", "REFRESH_SECRET": "refresh"}[setting]
    for done in ("published", "signing", "retired"):
        monkeypatch.setattr(watched_secret, "CHECK_SECONDS", math.inf)
        assert [one["done"] for one in run_json("keys", "rotate", name)] == [done]
        for app in (first, second, first):
            elsewhere = Person(app.test_client(), ann.email)
            assert elsewhere.refresh_with(ann.refresh).status_code == 200
            ann.log_in()
            assert elsewhere.me(ann.access).status_code == 200
            assert elsewhere.refresh_with(ann.refresh).status_code == 200
        clock.move(40_000_000 if name == "refresh" else 10_000)
        monkeypatch.setattr(watched_secret, "CHECK_SECONDS", 0)  # long before the next step, each has looked
        Person(second.test_client(), ann.email).log_in()
        ann.log_in()


@pytest.mark.usefixtures("same_clock")
def test_a_secret_is_accepted_as_long_as_a_token_of_earlier_settings(
    run_json: RunJson, make_app: MakeApp, environ: dict[str, str], file_of: FileOf, clock: MovableClock
) -> None:
    """The lifetime was an hour when the tokens were signed, and is a minute when the key is replaced."""
    file_of("SIGNING_KEY")
    environ["ACCESS_TOKEN_LIFETIME"] = "3600"
    Process(make_app())
    environ["ACCESS_TOKEN_LIFETIME"] = "60"
    run_json("keys", "rotate")
    clock.move(SPREAD + JWKS_CACHED)
    assert [done["done"] for done in run_json("keys", "rotate")] == ["signing"]
    clock.move(3600 - SPREAD - JWKS_CACHED)
    assert [done["done"] for done in run_json("keys", "rotate")] == [""]
    clock.move(MARGIN + LEEWAY + 1)
    assert [done["done"] for done in run_json("keys", "rotate")] == ["retired"]


@pytest.mark.usefixtures("same_clock")
def test_a_process_that_still_signs_with_the_old_key_keeps_it_accepted(
    run_json: RunJson, make_app: MakeApp, environ: dict[str, str], file_of: FileOf, clock: MovableClock
) -> None:
    file = file_of("SIGNING_KEY")
    stale_environ_key = file.read_text()
    run_json("keys", "rotate")
    clock.move(SPREAD + JWKS_CACHED)
    run_json("keys", "rotate")
    stale = Process(make_app(SIGNING_KEY=stale_environ_key, SIGNING_KEY_FILE=""))
    for _ in range(3):
        clock.move(LIFETIME + MARGIN)
        stale.work()
        assert [done["done"] for done in run_json("keys", "rotate")] == [""]
    clock.move(LIFETIME + MARGIN + LEEWAY + 1)
    assert [done["done"] for done in run_json("keys", "rotate")] == ["retired"]


@pytest.mark.usefixtures("same_clock")
def test_a_compromised_key_is_refused_at_once(
    run: Run, run_json: RunJson, make_app: MakeApp, file_of: FileOf
) -> None:
    files = {name: file_of(name) for name in ("SIGNING_KEY", "REFRESH_SECRET")}
    app = make_app()
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    before = {path: path.read_text() for path in files.values()}
    assert run("keys", "rotate", "--compromised", "signing", "refresh", typed="n\n").exit_code == 1
    assert {path: path.read_text() for path in files.values()} == before, "it is confirmed"

    stolen_access, stolen_refresh = ann.access, ann.refresh
    done = run_json("keys", "rotate", "--compromised", "--yes", "signing", "refresh")
    assert [one["done"] for one in done] == ["replaced", "replaced"]
    after = Person(make_app().test_client(), ann.email)
    assert after.me(stolen_access).status_code == 401
    assert after.refresh_with(stolen_refresh).status_code == 401
    after.log_in()
    assert after.me(after.access).status_code == 200


@pytest.mark.usefixtures("same_clock")
def test_a_timer_begins_only_when_the_key_is_old_enough(
    run_json: RunJson, file_of: FileOf, clock: MovableClock
) -> None:
    file = file_of("PEER_SECRET")
    os.utime(file, (clock(), clock()))
    steps = []
    for _ in range(95):
        clock.move(86_400)
        (one,) = run_json("keys", "rotate", "peer", "--max-age", "90")
        if one["done"]:
            steps.append(one["done"])
            os.utime(file, (clock(), clock()))
    assert steps == ["published", "signing", "retired"]


@pytest.mark.usefixtures("same_clock")
def test_all_steps_are_made_by_one_command_that_waits(
    run_json: RunJson, file_of: FileOf, tmp_path: Path, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth_service.cli.keys.time.sleep", clock.move)
    secret = tmp_path / "reports.secret"
    secret.write_text("0123456789abcdef" * 4)
    file_of("PEER_SECRET")
    done = run_json("keys", "rotate", "--wait", "peer", str(secret))
    assert [(one["name"], one["done"]) for one in done] == [
        (name, step) for step in ("published", "signing", "retired") for name in ("peer", str(secret))
    ]
    (line,) = [line for line in secret.read_text().splitlines() if not line.startswith("#")]
    assert line != "0123456789abcdef" * 4


def test_the_new_key_is_of_the_same_kind(run_json: RunJson, file_of: FileOf) -> None:
    file = file_of("SIGNING_KEY")
    file.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    run_json("keys", "rotate")
    assert [key["algorithm"] for key in run_json("keys", "list")] == ["EdDSA", "EdDSA"]


def test_people_read_sentences(run: Run, file_of: FileOf) -> None:
    file_of("PEER_SECRET")
    published = run("keys", "rotate", "peer")
    assert published.stdout.startswith("peer: published ")
    assert "next step: " in published.stdout
    assert run("keys", "rotate", "peer").stdout.startswith("peer: nothing is due\n  next step: ")
    assert "published" in run("keys", "status", "peer").stdout


@pytest.mark.parametrize("verb", ["rotate", "status"])
def test_keys_in_the_environment_cannot_be_changed(run: Run, verb: str) -> None:
    refused = run("keys", verb, "signing")
    assert refused.exit_code == 1
    assert "SIGNING_KEY is in the environment and not in a file" in refused.stderr
    assert "SIGNING_KEY_FILE" in refused.stderr


def test_an_unknown_name_is_refused(run: Run) -> None:
    refused = run("keys", "rotate", "pear")
    assert refused.exit_code == 1
    assert "NAME must be signing, refresh, peer or the path of a file; got 'pear'" in refused.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_reported(run: Run, file_of: FileOf) -> None:
    file = file_of("SIGNING_KEY")
    file.parent.chmod(0o500)
    refused = run("keys", "rotate")
    file.parent.chmod(0o700)
    assert refused.exit_code == 1
    assert f"{file} cannot be written: Permission denied" in refused.stderr
