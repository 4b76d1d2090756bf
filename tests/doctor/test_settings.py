"""Planted faults in settings and secrets. Each test plants one, and doctor finds it."""

import re
import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.secret_rotation.rotation import Rotation, Step
from chassis.secret_rotation.secret_file import SecretFile
from doctor.deployment import Place
from tests.doctor.planted import WITHOUT_SERVERS, PlantedDeployment, change_routes, later


def test_a_healthy_deployment_has_no_finding(planted: PlantedDeployment) -> None:
    names = [name for name in WITHOUT_SERVERS if name not in ("mail.server", "certificates.upstreams")]
    assert planted.findings(*names) == []


@pytest.mark.parametrize(
    ("service", "settings", "check", "cause"),
    [
        ("gateway", {"REVOCATION_FAIL": "maybe"}, "settings.invalid", "REVOCATION_FAIL"),
        ("gateway", {"DEVELOPMENT": "on"}, "settings.invalid", "DEVELOPMENT must be off in production"),
        ("gateway", {"ALLOWED_ORIGINS": "*"}, "settings.invalid", "must not contain '*'"),
        ("auth", {"ACCESS_TOKEN_LIFETIM": "60"}, "settings.misspelled", "ACCESS_TOKEN_LIFETIM "),
        ("gateway", {"TOKEN_ISSUER": "other"}, "settings.different", "TOKEN_ISSUER"),
        ("auth", {"APP_ENV": "development"}, "settings.different", "APP_ENV"),
        ("resource", {"IDENTITY_AUDIENCE": "other"}, "settings.identity", "'other'"),
        ("auth", {"LOG_LEVEL": "DEBUG"}, "settings.log-level", "auth_service is DEBUG"),
        ("gateway", {"RATE_LIMITS": "off"}, "settings.rate-limits", "RATE_LIMITS of gateway"),
    ],
)
def test_a_wrong_setting_is_found(
    planted: PlantedDeployment, service: str, settings: dict[str, str], check: str, cause: str
) -> None:
    getattr(planted, service).update(settings)
    ((found, _, text),) = planted.findings(check)
    assert (found, cause in text) == (check, True), text


def test_different_peer_secrets_are_found(planted: PlantedDeployment) -> None:
    planted.auth["PEER_SECRET_FILE"] = str(planted.write_secret("other.secret"))
    ((_, severity, cause),) = planted.findings("settings.different")
    assert severity == "error"
    assert cause.startswith("PEER_SECRET of the gateway")


def test_a_different_identity_secret_is_found(planted: PlantedDeployment) -> None:
    planted.resource["IDENTITY_SECRET_FILE"] = str(planted.write_secret("other.secret"))
    ((_, _, cause),) = planted.findings("settings.identity")
    assert "upstreams.notes" in cause


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("peer.secret", "hunter2"),
        ("refresh.secret", "changeme-" * 8),
        ("notes.secret", "abababab" * 8),
    ],
)
def test_a_weak_secret_is_found_and_not_shown(planted: PlantedDeployment, name: str, text: str) -> None:
    file = planted.write_secret(name, text)
    ((_, severity, cause),) = planted.findings("secrets.weak")
    assert severity == "error"
    assert str(file) in cause
    assert text not in cause
    others = planted.findings("settings.invalid")
    assert all("routes" in cause for _, _, cause in others), "secrets.weak has reported it"


def test_a_short_signing_key_is_found(planted: PlantedDeployment) -> None:
    key = generate_private_key(65537, 1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    planted.write_secret("signing.pem", pem)
    ((_, _, cause),) = planted.findings("secrets.weak")
    assert "has 1024 bits" in cause


@pytest.mark.parametrize("password", ["auth", "postgres-postgres", "short"])
def test_a_weak_database_password_is_found(planted: PlantedDeployment, password: str) -> None:
    planted.auth["DATABASE_URL"] = f"postgresql://auth:{password}@db.example.net/auth"
    ((_, _, cause),) = planted.findings("secrets.weak")
    assert cause.startswith("The password in DATABASE_URL of auth ")
    planted.auth["DATABASE_URL"] = f"postgresql://auth:{password}@127.0.0.1/auth"
    assert planted.findings("secrets.weak") == []


def test_a_secret_for_two_purposes_is_found(planted: PlantedDeployment) -> None:
    planted.write_secret("notes.secret", (planted.folder / "peer.secret").read_text())
    ((_, severity, cause),) = planted.findings("secrets.shared")
    assert severity == "error"
    assert "PEER_SECRET" in cause


def test_two_services_with_one_identity_secret_are_found(planted: PlantedDeployment) -> None:
    upstream = '[upstreams.reports]\nurls = ["http://127.0.0.1:9"]\nidentity_secret_file = "notes.secret"\n'
    change_routes(planted, lambda text: text.replace("[[routes]]", upstream + "[[routes]]", 1) + REPORTS)
    ((_, _, cause),) = planted.findings("secrets.shared")
    assert {"upstreams.notes", "upstreams.reports"} <= set(re.findall(r"upstreams\.\w+", cause))


REPORTS = '\n[[routes]]\nprefix = "/reports/"\nupstream = "reports"\naccess = "authenticated"\n'


def test_files_in_a_folder_of_secrets_are_compared(planted: PlantedDeployment, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    same = secrets.token_hex(32)
    for name in ("peer.secret", "notes.secret"):
        (folder / name).write_text(same)
    alone = PlantedDeployment(tmp_path, secret_folder=folder)
    ((check, _, cause),) = alone.findings("secrets.weak", "secrets.shared")
    assert (check, "peer.secret" in cause) == ("secrets.shared", True)


@pytest.mark.parametrize("name", ["refresh.secret", "webhooks.toml"])
@pytest.mark.parametrize(("mode", "cause"), [(0o644, "can read"), (0o666, "can change")])
def test_a_file_that_others_can_use_is_found(planted: PlantedDeployment, name: str, mode: int, cause: str) -> None:
    file = planted.write_secret(name, mode=mode)
    planted.auth["WEBHOOKS_FILE"] = str(planted.folder / "webhooks.toml")
    if name != "webhooks.toml":
        planted.write_secret("webhooks.toml")
    for folder in (file.parent, *file.parent.parents):
        if folder.owner() == Path.home().owner() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    ((_, severity, text),) = planted.findings("secrets.files")
    assert severity == "error"
    assert cause in text


def test_the_modes_of_files_in_a_container_say_nothing(planted: PlantedDeployment) -> None:
    planted.write_secret("refresh.secret", mode=0o644)
    planted.place = Place.CONTAINER
    assert planted.findings("secrets.files") == []


def test_a_file_of_a_secret_that_is_missing_is_found(planted: PlantedDeployment) -> None:
    (planted.folder / "notes.secret").unlink()
    ((_, _, cause),) = planted.findings("secrets.unreadable")
    assert "notes.secret" in cause


def test_an_old_signing_key_is_found(planted: PlantedDeployment) -> None:
    assert planted.findings("secrets.age", clock=later(399)) == []
    ((_, severity, cause),) = planted.findings("secrets.age", clock=later(401))
    assert severity == "warning"
    assert "401 days" in cause


@pytest.mark.parametrize(("step", "days"), [(Step.PUBLISHED, 9), (Step.SIGNING, 190)])
def test_an_unfinished_rotation_is_found(planted: PlantedDeployment, step: Step, days: int) -> None:
    file = planted.folder / "refresh.secret"
    SecretFile(file).write(Rotation((secrets.token_hex(32), secrets.token_hex(32)), step, later(0)()))
    assert planted.findings("secrets.rotation", clock=later(days - 3.5)) == []
    ((_, severity, cause),) = planted.findings("secrets.rotation", clock=later(days))
    assert severity == "warning"
    assert f"`{step}`" in cause


def test_two_secrets_without_a_step_are_found(planted: PlantedDeployment) -> None:
    planted.write_secret("refresh.secret", f"{secrets.token_hex(32)}\n{secrets.token_hex(32)}\n")
    ((_, _, cause),) = planted.findings("secrets.unreadable")
    assert "does not say which is new" in cause


def test_a_rotation_that_died_is_found_and_left_as_it_is(planted: PlantedDeployment) -> None:
    file = planted.folder / "peer.secret"
    copy = SecretFile(file).copy_path
    copy.write_text(secrets.token_hex(32))
    before = file.read_text(), copy.read_text()
    ((_, severity, cause),) = planted.findings("secrets.rotation")
    assert severity == "error"
    assert "died" in cause
    assert (file.read_text(), copy.read_text()) == before


def test_a_previous_key_that_was_forgotten_is_found(planted: PlantedDeployment, signing_pem: str) -> None:
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    planted.auth["PREVIOUS_SIGNING_KEY_FILE"] = str(planted.write_secret("previous_signing.pem", pem))
    assert planted.findings("secrets.rotation") == []
    ((_, _, cause),) = planted.findings("secrets.rotation", clock=later(9))
    assert "PREVIOUS_SIGNING_KEY" in cause
