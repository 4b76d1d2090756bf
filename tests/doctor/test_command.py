"""The command line: where settings come from, what is printed, and the exit status."""

import json
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import pytest

from doctor.cli import main
from doctor.deployment import Place, UsageError, deployment_of_environment, present_place, read_env_file
from doctor.examination import examine
from doctor.facts import Facts
from doctor.finding import Problem, warning
from doctor.registry.check import Check
from doctor.registry.checks import CHECKS
from tests.auth_service.mail.smtp_server import Talk, broken_server
from tests.doctor.planted import ROUTES, PlantedDeployment

pytestmark = pytest.mark.system

ROOT = ROUTES.parents[1]


def _env_file(planted: PlantedDeployment, service: str) -> str:
    file = planted.folder / f"{service}.env"
    lines = (f'{name}="{value}"' for name, value in planted.deployment().environs[service].items())
    file.write_text("# settings\n" + "\n".join(lines) + "\n")
    return f"--env-file={service}={file}"


def test_findings_are_printed_with_cause_and_cure(
    planted: PlantedDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    planted.auth["REFRESH_TOKEN_LIFETIME"] = "300"
    status = main([_env_file(planted, "auth"), "--only", "timeouts.tokens"])
    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    assert lines[0].startswith("error: ACCESS_TOKEN_LIFETIME (300) is not shorter than")
    assert lines[0].endswith("[timeouts.tokens]")
    assert lines[1] == "  Set REFRESH_TOKEN_LIFETIME to many times ACCESS_TOKEN_LIFETIME."
    assert lines[2:] == ["1 error, 0 warnings; 1 check of auth_service"]


def test_a_healthy_service_exits_with_0(planted: PlantedDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([_env_file(planted, "auth"), "--only", "timeouts.tokens", "--only", "secrets"]) == 0
    assert capsys.readouterr().out == "no problems; 7 checks of auth_service\n"


def test_what_cannot_be_checked_is_listed_with_the_reason(
    planted: PlantedDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([_env_file(planted, "resource"), "--only", "timeouts"]) == 0
    out = capsys.readouterr().out
    assert "not checked: timeouts.tokens, timeouts.password-queue: the settings of auth_service are not here" in out
    assert "timeouts.worker" in out.partition("the settings of gateway are not here")[0]


def test_json_has_findings_and_what_was_not_checked(
    planted: PlantedDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    planted.auth["REFRESH_GRACE"] = "600"
    words = [_env_file(planted, "auth"), "--only", "timeouts", "--skip", "timeouts.routes", "--json"]
    assert main(words) == 1
    report = json.loads(capsys.readouterr().out)
    (finding,) = report["findings"]
    assert finding.keys() == {"check", "severity", "cause", "cure"}
    assert (finding["check"], finding["severity"]) == ("timeouts.tokens", "warning")
    assert {each["check"] for each in report["not_checked"]} == {"timeouts.worker", "timeouts.password-queue"}
    assert report["skipped"] == ["timeouts.routes"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--only", "redis.evictions"], "there is no check redis.evictions; --list prints all"),
        (["--env-file", "/nowhere.env"], "--env-file /nowhere.env cannot be read: No such file or directory"),
        (["--secrets", "/nowhere"], "--secrets /nowhere is not a folder"),
        (["--stack", "--url", "http://127.0.0.1"], "--stack knows the URL"),
        ([], "there are no settings of a service in the environment"),
    ],
)
def test_what_cannot_be_run_exits_with_2(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTH_URL", "SIGNING_KEY", "REFRESH_SECRET", "IDENTITY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert main(words) == 2
    assert f"doctor: {reason}" in capsys.readouterr().err


def test_a_stack_that_does_not_run_is_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main(["--stack"]) == 2
    assert "start it with `make run`" in capsys.readouterr().err


def test_an_env_file_is_read_as_docker_and_systemd_do(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# a\n; b\n\nA=1\nexport B='two words'\nC=\"x=y\"\nD=\n")
    assert read_env_file(file) == {"A": "1", "B": "two words", "C": "x=y", "D": ""}
    file.write_text("A\n")
    with pytest.raises(UsageError, match="line 1 is not NAME=value"):
        read_env_file(file)


def test_each_service_is_found_by_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("AUTH_URL=unix:/a\nIDENTITY_SECRET_FILE=/b\n")
    assert deployment_of_environment({}, [str(file)], "", None).environs.keys() == {"gateway", "resource"}
    assert deployment_of_environment({}, [f"auth={file}"], "http://127.0.0.1", None).environs == {}


def test_the_place_is_recognized(tmp_path: Path) -> None:
    assert present_place({}, tmp_path) is Place.HOST
    assert present_place({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path) is Place.KUBERNETES
    (tmp_path / ".dockerenv").touch()
    assert present_place({}, tmp_path) is Place.CONTAINER


def test_a_check_that_takes_too_long_is_not_checked(planted: PlantedDeployment) -> None:
    ended = Event()

    def slow(_: Facts) -> list[Problem]:
        ended.wait(30)
        return []

    checks = [Check("a.slow", "", slow), Check("a.quick", "", lambda _: [warning("cause", "cure")])]
    report = examine(Facts(planted.deployment()), checks, longest_seconds=0.2)
    ended.set()
    assert [each.check for each in report.not_checked] == ["a.slow"]
    assert [each.check for each in report.findings] == ["a.quick"]


def test_a_check_that_fails_does_not_hide_the_others(planted: PlantedDeployment) -> None:
    def fail(_: Facts) -> list[Problem]:
        raise KeyError("a secret")

    report = examine(Facts(planted.deployment()), [Check("a.wrong", "", fail)])
    (not_checked,) = report.not_checked
    assert not_checked.reason == "the check failed with KeyError; please report it"


def test_a_server_that_sends_a_byte_now_and_then_does_not_delay_the_exit(tmp_path: Path) -> None:
    with broken_server(_drip) as port:
        words = ["--url", f"http://127.0.0.1:{port}", "--only", "gateway.ready", "--timeout", "1"]
        command = [sys.executable, "-m", "doctor", *words]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert "not checked: gateway.ready: it took too long" in result.stdout, result.stderr


def _drip(talk: Talk) -> None:
    for character in "HTTP/1.1 200 OK\r\nX: " + "a" * 1000:
        talk.connection.sendall(character.encode())
        time.sleep(0.2)


def test_names_are_unique_and_stable() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(name.count(".") == 1 and name == name.lower() for name in names)


BLOCKED = {
    "gateway": ("sqlalchemy", "flask_migrate", "psycopg", "auth_service", "resource_service", "stack"),
    "auth_service": ("uvicorn", "gateway", "resource_service", "stack"),
    "resource_service": ("redis", "gateway", "auth_service", "stack", "nacl"),
}


@pytest.mark.parametrize("service", BLOCKED)
def test_the_command_starts_with_the_packages_of_one_image(service: str) -> None:
    block = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED[service]!r}))"
    script = f"{block}; from doctor.cli import main; main(['--list'])"
    listed = subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True, timeout=30)
    assert len(listed.splitlines()) == len(CHECKS)
