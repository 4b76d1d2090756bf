"""The stack runs the right processes, each with its own settings and secrets."""

from pathlib import Path

import pytest

from compilation.copy import COPY
from stack.plan import ROOT, Command, Plan
from tests.stack.conftest import Planning


def processes(plan: Plan) -> dict[str, Command]:
    return {command.name: command for command in (*plan.services, plan.gateway)}


def receivers(plan: Plan, setting: str) -> set[str]:
    """Return the processes whose environment has the setting."""
    return {name for name, command in processes(plan).items() if setting in command.environ}


@pytest.mark.parametrize(
    ("setting", "owners"),
    [
        ("SIGNING_KEY", {"auth"}),
        ("PREVIOUS_SIGNING_KEY", {"auth"}),
        ("REFRESH_SECRET", {"auth"}),
        ("PEER_SECRET", {"auth", "gateway"}),
        ("IDENTITY_SECRET", {"resource", "gateway"}),
        ("DATABASE_URL", {"auth", "resource"}),
        ("REDIS_URL", {"auth", "gateway"}),
    ],
)
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_a_secret_is_passed_only_to_the_processes_that_need_it(
    plan: Planning, setting: str, suffix: str, owners: set[str]
) -> None:
    assert receivers(plan(**{setting + suffix: "given"}), setting + suffix) == owners


@pytest.mark.parametrize("setting", ["SIGNING_KEY", "REFRESH_SECRET", "PEER_SECRET", "IDENTITY_SECRET"])
def test_a_given_secret_is_not_passed_as_a_file_as_well(plan: Planning, setting: str) -> None:
    """A service rejects NAME together with NAME_FILE."""
    planned = plan(**{setting: "given"})
    assert not receivers(planned, f"{setting}_FILE")


@pytest.mark.parametrize("setting", ["REDIS_URL", "DATABASE_URL"])
def test_a_store_url_given_as_a_file_is_not_passed_as_a_value_as_well(plan: Planning, setting: str) -> None:
    assert not receivers(plan(**{f"{setting}_FILE": "given"}), setting)


def test_other_settings_are_passed_to_all(plan: Planning) -> None:
    assert receivers(plan(HOME="/home/ann", LOG_LEVEL="DEBUG"), "LOG_LEVEL") == {"auth", "resource", "gateway"}


def test_each_service_has_its_own_database(plan: Planning) -> None:
    found = processes(plan(DATA_DIR="/d"))
    assert found["auth"].environ["DATABASE_URL"] == "sqlite:////d/auth.db"
    assert found["resource"].environ["DATABASE_URL"] == "sqlite:////d/notes.db"


def test_a_given_database_is_used_by_both_services(plan: Planning) -> None:
    planned = plan(DATABASE_URL="postgresql://db/one")
    assert {command.environ["DATABASE_URL"] for command in planned.services} == {"postgresql://db/one"}


def test_two_data_dirs_share_no_socket(plan: Planning) -> None:
    one, other = processes(plan(DATA_DIR="/one")), processes(plan(DATA_DIR="/other"))
    for name in ("AUTH_BIND", "RESOURCE_BIND", "REDIS_URL"):
        assert one["auth"].environ[name] != other["auth"].environ[name]


def test_the_gateway_calls_the_address_a_service_listens_on(plan: Planning) -> None:
    found = processes(plan(AUTH_URL="http://127.0.0.1:8001"))
    assert found["auth"].environ["AUTH_BIND"] == "127.0.0.1:8001"
    assert found["gateway"].environ["AUTH_URL"] == "http://127.0.0.1:8001"
    assert found["resource"].environ["RESOURCE_BIND"] == found["gateway"].environ["RESOURCE_URL"]


def test_the_internal_endpoints_listen_on_a_socket_by_default(plan: Planning) -> None:
    name = "GATEWAY_INTERNAL_BIND"
    assert processes(plan(DATA_DIR="/d"))["gateway"].environ[name] == "unix:/d/run/gateway-internal.sock"
    assert processes(plan(**{name: "127.0.0.1:9000"}))["gateway"].environ[name] == "127.0.0.1:9000"


def test_a_space_in_data_dir_is_quoted_in_the_redis_url_only(plan: Planning) -> None:
    environ = processes(plan(DATA_DIR="/my data"))["auth"].environ
    assert environ["REDIS_URL"] == "unix:///my%20data/run/valkey.sock"
    assert environ["DATABASE_URL"] == "sqlite:////my data/auth.db"


def development_of(plan: Plan) -> str | None:
    return processes(plan)["gateway"].environ.get("DEVELOPMENT")


def test_development_is_on_for_a_gateway_that_only_this_machine_can_reach(plan: Planning) -> None:
    assert development_of(plan()) == "on"
    assert development_of(plan(GATEWAY_BIND="127.0.0.1:9000")) == "on"
    assert development_of(plan(DEVELOPMENT="off")) == "off"
    assert plan().serves_first_page
    assert not plan(DEVELOPMENT="off").serves_first_page


@pytest.mark.parametrize("changed", [{"GATEWAY_BIND": "0.0.0.0:8000"}, {"PUBLIC_URL": "https://api.example.org"}])
def test_development_is_not_on_by_itself_where_others_may_reach_the_gateway(
    plan: Planning, changed: dict[str, str]
) -> None:
    assert development_of(plan(**changed)) is None


def test_the_gateway_serves_the_app_of_this_repository(plan: Planning) -> None:
    """In development, the app may be built later."""
    assert processes(plan())["gateway"].environ["APP_DIR"] == str(ROOT / "client" / "dist" / "app")
    assert processes(plan(APP_DIR="/srv/app"))["gateway"].environ["APP_DIR"] == "/srv/app"


@pytest.mark.parametrize("is_built", [True, False])
def test_outside_of_development_the_app_is_served_if_it_is_built(
    plan: Planning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_built: bool
) -> None:
    monkeypatch.setattr("stack.plan.APP", tmp_path)
    if is_built:
        (tmp_path / "index.html").touch()
    assert ("APP_DIR" in processes(plan(DEVELOPMENT="off"))["gateway"].environ) == is_built


@pytest.mark.parametrize(("switch", "is_compiled"), [("on", True), ("off", False), ("", False)])
def test_only_the_gateway_runs_from_the_compiled_copy_and_only_if_switched_on(
    plan: Planning, switch: str, is_compiled: bool
) -> None:
    found = processes(plan(GATEWAY_COMPILED=switch))
    paths = {name: command.environ["PYTHONPATH"].split(":") for name, command in found.items()}
    assert paths == {
        "auth": [str(ROOT)],
        "resource": [str(ROOT)],
        "gateway": [str(COPY), str(ROOT)] if is_compiled else [str(ROOT)],
    }
