"""A REDIS_URL that cannot be used is reported with the cause and without its password."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import external_redis
from stack.external_redis import check_redis
from stack.settings import StartError


@pytest.fixture
def unresponsive_port() -> Iterator[int]:
    """A port that accepts connections and sends no response."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_redis_that_does_not_respond_is_reported_without_its_password(
    unresponsive_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_redis, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(StartError, match="REDIS_URL") as error:
        check_redis({"REDIS_URL": f"redis://:hunter2@127.0.0.1:{unresponsive_port}"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "http://127.0.0.1", "unix:///nowhere", "nonsense"])
def test_an_unreachable_redis_is_reported(url: str) -> None:
    with pytest.raises(StartError, match="REDIS_URL"):
        check_redis({"REDIS_URL": url})


def test_the_redis_url_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://127.0.0.1:1\n")
    for file in ("url", "missing"):
        with pytest.raises(StartError, match="REDIS_URL"):
            check_redis({"REDIS_URL_FILE": str(tmp_path / file)})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"REDIS_URL": "127.0.0.1:6379"}, "REDIS_URL must be a redis://"),
        ({"REDIS_URL": "redis://:hunter/2@127.0.0.1:6379"}, "percent-encoding"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, r"Connection refused\): start it, or correct REDIS_URL"),
        ({"REDIS_URL_FILE": "/nowhere/url"}, "REDIS_URL_FILE names /nowhere/url, which cannot be read: No such file"),
        ({"REDIS_URL": "redis://127.0.0.1:1", "REDIS_URL_FILE": "/nowhere"}, "both set: keep one"),
    ],
)
def test_a_problem_names_the_cause_and_what_to_do(given: dict[str, str], message: str) -> None:
    with pytest.raises(StartError, match=message) as error:
        check_redis(given)
    assert "hunter" not in str(error.value)
