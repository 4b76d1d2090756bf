"""The settings of the pods are those that the services read, and the services start with them."""

from importlib import import_module
from pathlib import Path

import pytest

from auth_service.settings import AuthSettings
from auth_service.settings import ServingSettings as AuthServing
from chassis.settings import Settings
from chassis.startup import settings_problems
from gateway.startup_check import startup_problems
from resource_service.settings import ResourceSettings
from resource_service.settings import ServingSettings as ResourceServing
from stack.plan import ROOT
from tests.kubernetes.environment import MOUNTS, environ_of
from tests.kubernetes.manifests import KUBERNETES, SERVICES, Overlay, needs_tools

pytestmark = needs_tools
PACKAGES = {"gateway": "gateway", "auth": "auth_service", "resource": "resource_service"}
OF_ROUTES = {"RESOURCE_URL"}
"""Variables that only routes.toml reads."""


def readable(package: str) -> set[str]:
    """Return the variables that the service `package` reads, with those that name a file of a secret."""
    members = vars(import_module(f"{package}.settings")).values()
    models = [member for member in members if isinstance(member, type) and issubclass(member, Settings)]
    names = {field.upper() for model in models for field in model.model_fields}
    return names | {f"{name}_FILE" for name in names}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_reads_every_setting_that_it_receives(overlay: Overlay, name: str) -> None:
    assert overlay.environ(name).keys() <= readable(PACKAGES[name]) | OF_ROUTES


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_a_config_map(overlay: Overlay, name: str) -> None:
    secrets = [file.read_text().strip() for file in overlay.secrets.iterdir() if file.stat().st_size]
    settings = "\n".join(overlay.environ(name).values())
    assert not [secret for secret in secrets if secret in settings]


@pytest.mark.parametrize("name", [*SERVICES, "auth-migration", "resource-migration"])
def test_every_file_that_a_setting_names_is_mounted(overlay: Overlay, name: str) -> None:
    environ = overlay.environ(name)
    named = {value for value in environ.values() if value.startswith(MOUNTS) and value != environ.get("DATA_DIR")}
    assert len(named) >= 2
    assert named <= overlay.files(name).keys()


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("gateway", {"peer.secret", "notes.secret", "redis.url"}),
        (
            "auth",
            {
                "signing.pem",
                "previous_signing.pem",
                "refresh.secret",
                "peer.secret",
                "auth.database_url",
                "redis.url",
            },
        ),
        ("resource", {"notes.secret", "notes.database_url"}),
    ],
)
def test_each_service_has_only_its_own_secrets(overlay: Overlay, name: str, secrets: set[str]) -> None:
    for pod in {name, f"{name}-migration"} & overlay.pods.keys():
        volumes = overlay.pods[pod]["spec"]["volumes"]
        assert [volume["secret"]["secretName"] for volume in volumes if "secret" in volume] == [name]
    assert set(overlay.of_kind("Secret")[name]["data"]) == secrets


def test_the_gateway_accepts_its_settings_routes_and_secrets(overlay: Overlay, tmp_path: Path) -> None:
    assert startup_problems(environ_of(overlay, "gateway", tmp_path)) == []


def test_the_auth_service_accepts_its_settings(overlay: Overlay, tmp_path: Path) -> None:
    assert settings_problems(environ_of(overlay, "auth", tmp_path), AuthSettings, AuthServing) == []


def test_the_resource_service_accepts_its_settings(overlay: Overlay, tmp_path: Path) -> None:
    assert settings_problems(environ_of(overlay, "resource", tmp_path), ResourceSettings, ResourceServing) == []


def test_the_routes_are_those_of_the_gateway() -> None:
    routes = (KUBERNETES / "base" / "routes.toml").read_text()
    assert routes == (ROOT / "gateway" / "routes.toml").read_text(), (
        "cp gateway/routes.toml deploy/kubernetes/base/routes.toml"
    )
