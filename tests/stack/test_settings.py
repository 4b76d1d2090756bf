"""The settings of the stack have their documented defaults, and every wrong one is reported."""

from pathlib import Path

import pytest

from stack.address import Port, UnixSocket
from stack.settings import LONGEST_SOCKET_NAME, MAX_SOCKET_PATH, SECRETS, StartError, read_settings
from tests.stack.conftest import Reading

PRODUCTION = {
    "APP_ENV": "production",
    "DATA_DIR": "/var/lib/sallyport",
    "DATABASE_URL": "postgresql://db/sallyport",
    "REDIS_URL": "redis://cache",
    "SIGNING_KEY_FILE": "/secrets/signing.pem",
    "REFRESH_SECRET": "given",
    "PEER_SECRET": "given",
    "IDENTITY_SECRET": "given",
}


def problems(environ: dict[str, str], here: Path = Path("/work")) -> list[str]:
    with pytest.raises(StartError) as error:
        read_settings(environ, here, is_present=lambda file: False)
    return list(error.value.problems)


def test_the_defaults_are_a_development_machine_on_port_8000(read: Reading, tmp_path: Path) -> None:
    settings = read()
    assert settings.gateway == Port("127.0.0.1", 8000)
    assert settings.data_dir == tmp_path / ".data"
    assert settings.embeds_redis
    assert settings.generated == SECRETS


def test_an_empty_value_counts_as_unset(read: Reading) -> None:
    settings = read(GATEWAY_PORT="", REDIS_URL="", SIGNING_KEY="")
    assert settings == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_PORT", "65536"),
        ("GATEWAY_PORT", "http"),
        ("GATEWAY_PORT", "\N{SUPERSCRIPT TWO}"),
        ("GATEWAY_BIND", "8000"),
        ("GATEWAY_BIND", "unix:relative.sock"),
        ("APP_ENV", "prod"),
        ("REFRESH_GRACE", "601"),
        ("REFRESH_GRACE", "-1"),
        ("DATA_DIR", "what?"),  # the path becomes part of URLs, where ? begins the query
        ("AUTH_URL", "http://auth.example:80"),
        ("AUTH_URL", "https://127.0.0.1:8001"),
        ("RESOURCE_URL", "http://0.0.0.0:8002"),
        ("AUTH_BIND", "127.0.0.1:8001"),  # set by the stack itself, from AUTH_URL
    ],
)
def test_a_wrong_setting_is_reported_by_name(name: str, value: str) -> None:
    assert any(problem.startswith(name) for problem in problems({name: value}))


def test_every_problem_is_reported_at_once() -> None:
    reported = problems({"GATEWAY_PORT": "x", "REFRESH_GRACE": "x", "AUTH_URL": "x"})
    assert [problem.split()[0] for problem in reported] == ["GATEWAY_PORT", "AUTH_URL", "REFRESH_GRACE"]


def test_production_reports_every_missing_setting() -> None:
    reported = "\n".join(problems({"APP_ENV": "production"}))
    for name in (
        "DATA_DIR",
        "DATABASE_URL",
        "REDIS_URL",
        "SIGNING_KEY",
        "REFRESH_SECRET",
        "PEER_SECRET",
        "IDENTITY_SECRET",
    ):
        assert name in reported
    assert "notes.secret" in reported  # the file from which the gateway reads the identity secret


@pytest.mark.parametrize("missing", [name for name in PRODUCTION if name != "APP_ENV"])
def test_production_requires_each_setting(missing: str) -> None:
    environ = {name: value for name, value in PRODUCTION.items() if name != missing}
    assert missing.removesuffix("_FILE") in problems({**environ, "GATEWAY_ROUTES": "own.toml"})[0]


def test_with_all_settings_production_starts_no_private_redis_and_generates_no_secret(read: Reading) -> None:
    settings = read(**PRODUCTION)
    assert settings.is_production
    assert not settings.embeds_redis
    assert settings.generated == ()


def test_a_given_identity_secret_also_needs_the_file_that_the_gateway_reads() -> None:
    assert "notes.secret" in problems({"IDENTITY_SECRET": "given"})[0]


def test_with_its_own_routes_file_the_gateway_needs_no_identity_secret_file(tmp_path: Path) -> None:
    environ = {"IDENTITY_SECRET": "given", "GATEWAY_ROUTES": "own.toml"}
    assert read_settings(environ, tmp_path, is_present=lambda file: False).given == environ


def test_redis_url_may_come_from_a_file(read: Reading) -> None:
    assert not read(REDIS_URL_FILE="/secrets/redis").embeds_redis


def test_sockets_are_in_data_dir(read: Reading, tmp_path: Path) -> None:
    settings = read(DATA_DIR="d")
    assert settings.auth == UnixSocket(tmp_path / "d" / "run" / "auth.sock")


def test_with_a_long_data_dir_sockets_are_in_a_short_folder_that_depends_on_data_dir_only(read: Reading) -> None:
    first, again = read(DATA_DIR="d" * 100), read(DATA_DIR="d" * 100)
    other = read(DATA_DIR="e" * 100)
    assert first.run_dir == again.run_dir != other.run_dir
    assert len(str(first.run_dir / LONGEST_SOCKET_NAME)) <= MAX_SOCKET_PATH


def test_the_length_of_a_socket_path_is_counted_in_bytes(read: Reading) -> None:
    assert read(DATA_DIR="/" + "\N{SNOWMAN}" * 30).run_dir.is_relative_to("/tmp")


def test_a_service_listens_on_its_url(read: Reading) -> None:
    settings = read(AUTH_URL="http://127.0.0.1:8001/", RESOURCE_URL="unix:/tmp/r.sock")
    assert settings.auth == Port("127.0.0.1", 8001)
    assert settings.resource == UnixSocket(Path("/tmp/r.sock"))


def test_a_gateway_that_listens_on_all_interfaces_is_called_through_loopback(read: Reading) -> None:
    gateway = read(GATEWAY_BIND="0.0.0.0:8080").gateway
    assert (gateway.bind, gateway.url) == ("0.0.0.0:8080", "http://127.0.0.1:8080")
