"""If REDIS_URL is not set, a private Redis server is found and started with safe options."""

from pathlib import Path

import pytest

from stack import embedded_redis
from stack.embedded_redis import find_server, redis_command
from stack.settings import StartError


@pytest.fixture
def _wheel_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_redis, "find_spec", lambda _: None)


def put_on_path(folder: Path, name: str, version: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a program that prints `version`, and make its folder the only one on PATH."""
    server = folder / name
    server.write_text(f"#!/bin/sh\necho '{version}'\n")
    server.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder))
    return server


def test_the_server_of_the_wheel_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = put_on_path(tmp_path, "redis-server", "Redis server v=7.0.15 sha=0", monkeypatch)
    assert find_server() != installed


@pytest.mark.usefixtures("_wheel_is_not_installed")
def test_without_the_wheel_an_installed_server_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = put_on_path(tmp_path, "redis-server", "Redis server v=6.2.0 sha=0", monkeypatch)
    assert find_server() == installed


@pytest.mark.usefixtures("_wheel_is_not_installed")
@pytest.mark.parametrize("version", ["Redis server v=6.0.16 sha=0", "what?"])
def test_a_server_that_is_too_old_or_has_an_unknown_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    put_on_path(tmp_path, "redis-server", version, monkeypatch)
    with pytest.raises(StartError, match="REDIS_URL"):
        find_server()


def test_the_server_listens_on_its_socket_only_and_persists_data() -> None:
    words = redis_command(Path("/s"), Path("/run/v.sock"), Path("/d"), {}).argv
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--port"] == "0"
    assert options["--unixsocketperm"] == "700"
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
