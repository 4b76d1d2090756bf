"""A failed start reports the settings problems of the stack and of every service."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stack.plan import ROOT
from stack.settings import SECRETS

pytestmark = pytest.mark.system

INVALID = {"ACCESS_TOKEN_LIFETIME": "soon", "LOG_LEVEL": "loud", "RESOURCE_THREADS": "many", "GATEWAY_WORKERS": "two"}


def problems_of_start(tmp_path: Path, environ: Mapping[str, str]) -> list[str]:
    """Start the stack, which must fail, and return the problems that it prints."""
    result = subprocess.run(
        [sys.executable, "-m", "stack"],
        cwd=ROOT,
        env={"PATH": os.defpath, "DATA_DIR": str(tmp_path / "data"), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    return [line.removeprefix("stack: ") for line in result.stderr.splitlines()]


def settings_in(problems: list[str]) -> list[str]:
    return sorted(problem.split()[0].rstrip(":") for problem in problems)


def test_a_wrong_setting_of_the_stack_does_not_hide_those_of_services(tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text("[[routes]]\nprefx = 1\n")
    routes = {"GATEWAY_ROUTES": str(tmp_path / "routes.toml")}
    reported = problems_of_start(tmp_path, {"GATEWAY_PORT": "80x", "REFRESH_GRACE": "-1", **INVALID, **routes})
    of_routes = [problem for problem in reported if "routes.toml" in problem]
    assert any("did you mean prefix?" in problem for problem in of_routes)
    rest = [problem for problem in reported if problem not in of_routes]
    assert settings_in(rest) == sorted(["GATEWAY_PORT", "REFRESH_GRACE", *INVALID])


def test_secrets_that_the_first_start_creates_are_not_reported_missing(tmp_path: Path) -> None:
    assert settings_in(problems_of_start(tmp_path, {"GATEWAY_PORT": "80x"})) == ["GATEWAY_PORT"]


def test_a_port_in_use_and_an_unreachable_redis_do_not_hide_other_problems(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        unusable = {"GATEWAY_PORT": str(server.getsockname()[1]), "REDIS_URL": "redis://:hunter2@127.0.0.1:1"}
        reported = problems_of_start(tmp_path, {**unusable, **INVALID})
    assert settings_in(reported) == sorted(["GATEWAY_PORT", "REDIS_URL", *INVALID])
    assert any(problem.startswith("GATEWAY_PORT: cannot listen") for problem in reported)
    assert not any("hunter2" in problem for problem in reported)
    assert not (tmp_path / "data" / "valkey").exists()


def test_production_requires_all_settings_creates_no_secrets_and_reports_misspelled_names(tmp_path: Path) -> None:
    reported = problems_of_start(
        tmp_path, {"APP_ENV": "production", "DATABSE_URL": "sqlite:///x", "REFRESH_SECRET": "short"}
    )
    assert {"REDIS_URL", *(secret.setting for secret in SECRETS)} <= set(settings_in(reported))
    assert not (tmp_path / "data").exists()
    assert "DATABSE_URL is not a setting; did you mean DATABASE_URL?" in reported
    assert "REFRESH_SECRET is shorter than 32 bytes" in reported
    assert settings_in(reported).count("DATABASE_URL") == 1
