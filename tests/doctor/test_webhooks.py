"""Planted faults of webhooks and of the claims hook."""

import base64
import secrets
import socket
import sqlite3
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.doctor.planted import PlantedDeployment
from tests.doctor.servers import http_server
from tests.gateway.stand_ins.certificates import Authority
from tests.ports import free_port

EXAMPLE = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="
HOUR = 3_600.0


def new_secret(key: bytes = b"") -> str:
    return "whsec_" + base64.b64encode(key or secrets.token_bytes(32)).decode()


def set_endpoints(planted: PlantedDeployment, **endpoints: tuple[str, str]) -> None:
    """Write WEBHOOKS_FILE with the URL and the secret of each endpoint. Private addresses are allowed."""
    tables = [
        f'[endpoints.{name}]\nurl = "{url}"\nsecrets = ["{secret}"]' for name, (url, secret) in endpoints.items()
    ]
    planted.write_secret("webhooks.toml", "\n".join(tables))
    planted.auth |= {"WEBHOOKS_FILE": str(planted.folder / "webhooks.toml"), "WEBHOOKS_ALLOW_PRIVATE": "on"}


@pytest.fixture
def receiver() -> Iterator[str]:
    """The URL of a receiver that accepts connections, and fails the test if something is sent to it."""
    sent = []
    with http_server(lambda path, _: sent.append(path) or (204, {})) as authority:  # type: ignore[func-returns-value]
        yield f"http://{authority}/hooks/secret-path"
    assert sent == []


def test_webhooks_without_a_fault_are_no_finding(planted: PlantedDeployment, receiver: str) -> None:
    set_endpoints(planted, crm=(receiver, new_secret()), billing=(receiver, new_secret()))
    assert planted.findings("webhooks", "claims", "settings.invalid") == []


def test_a_file_that_is_missing_is_found(planted: PlantedDeployment) -> None:
    planted.auth["WEBHOOKS_FILE"] = str(planted.folder / "missing.toml")
    assert {each.check for each in planted.report().findings} >= {"settings.invalid", "secrets.unreadable"}


@pytest.mark.parametrize("url", ["http://crm.example.org/", "https://"])
def test_a_url_that_is_not_allowed_is_found(planted: PlantedDeployment, url: str) -> None:
    set_endpoints(planted, crm=(url, new_secret()))
    del planted.auth["WEBHOOKS_ALLOW_PRIVATE"]
    ((_, severity, cause),) = planted.findings("settings.invalid")
    assert severity == "error"
    assert "endpoints.crm.url must be an https:// URL" in cause


def test_an_unencrypted_endpoint_in_production_is_found(planted: PlantedDeployment) -> None:
    set_endpoints(planted, crm=("http://crm.internal/hooks", new_secret()))
    ((check, severity, cause),) = planted.findings("webhooks.unencrypted")
    assert (check, severity) == ("webhooks.unencrypted", "error")
    assert "endpoints.crm" in cause


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (EXAMPLE, "is the example of the documentation"),
        (new_secret(b"0" * 32), "repeats few bytes"),
        (new_secret(b"correct-horse-battery-staple-42"), "is text instead of random bytes"),
    ],
)
def test_a_secret_that_can_be_guessed_is_found(planted: PlantedDeployment, secret: str, reason: str) -> None:
    set_endpoints(planted, crm=("https://crm.example.org/", secret))
    ((_, severity, cause),) = planted.findings("webhooks.secrets")
    assert severity == "error"
    assert reason in cause
    assert secret not in cause


def test_a_secret_that_two_endpoints_have_is_found(planted: PlantedDeployment) -> None:
    secret = new_secret()
    set_endpoints(planted, crm=("https://a.example.org/", secret), billing=("https://b.example.org/", secret))
    ((_, severity, cause),) = planted.findings("webhooks.secrets")
    assert severity == "warning"
    assert cause.startswith("endpoints.crm and endpoints.billing have the same secret")


def test_a_receiver_that_is_down_is_found(planted: PlantedDeployment) -> None:
    set_endpoints(planted, crm=(f"http://127.0.0.1:{free_port()}/secret-path", new_secret()))
    ((_, severity, cause),) = planted.findings("webhooks.reachable")
    assert severity == "warning"
    assert cause == "endpoints.crm cannot be reached: connection refused."


def test_a_private_address_that_is_not_allowed_is_found(planted: PlantedDeployment) -> None:
    set_endpoints(planted, crm=("https://127.0.0.1/", new_secret()))
    planted.auth["WEBHOOKS_ALLOW_PRIVATE"] = "off"
    ((_, severity, cause),) = planted.findings("webhooks.reachable")
    assert severity == "error"
    assert "127.0.0.1 is not a public address" in cause


def test_a_certificate_that_is_refused_is_found(planted: PlantedDeployment) -> None:
    pair = Authority(planted.folder, "other-ca").issue("server", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with http_server(lambda *_: (204, {}), context) as authority:
        set_endpoints(planted, crm=(f"https://{authority}/", new_secret()))
        ((_, severity, cause),) = planted.findings("webhooks.reachable")
    assert severity == "error"
    assert "its certificate is refused" in cause


def test_a_host_without_an_address_is_found(planted: PlantedDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("doctor.probes.webhooks.socket.getaddrinfo", unknown)
    set_endpoints(planted, crm=("https://crm.example.org/", new_secret()))
    ((_, severity, cause),) = planted.findings("webhooks.reachable")
    assert severity == "error"
    assert "the host cannot be resolved" in cause


@pytest.mark.parametrize(("hours", "severity"), [(0.5, None), (3, "warning"), (30, "error")])
def test_messages_that_wait_are_found(planted: PlantedDeployment, hours: float, severity: str | None) -> None:
    add_message(planted, "pending", hours)
    assert [kind for _, kind, _ in planted.findings("webhooks.backlog")] == [severity][: severity is not None]


@pytest.mark.parametrize(("failed", "hours", "severity"), [(1, 1, "warning"), (10, 1, "error"), (10, 30, None)])
def test_messages_that_were_given_up_are_found(
    planted: PlantedDeployment, failed: int, hours: float, severity: str | None
) -> None:
    for _ in range(failed):
        add_message(planted, "failed", hours)
    assert [kind for _, kind, _ in planted.findings("webhooks.backlog")] == [severity][: severity is not None]


def test_a_disabled_endpoint_is_found_once(planted: PlantedDeployment) -> None:
    """What waits for it is the same fault."""
    add_message(planted, "pending", 50)
    write(planted, "INSERT INTO webhook_endpoints VALUES ('crm', ?)", time.time())
    ((_, severity, cause),) = planted.findings("webhooks.backlog")
    assert severity == "error"
    assert cause.startswith("endpoints.crm is disabled")


def add_message(planted: PlantedDeployment, status: str, hours: float) -> None:
    """Add a message for the endpoint crm that was created, and tried last, so many hours ago."""
    at = time.time() - hours * HOUR
    due_at = time.time() if status == "pending" else None
    write(planted, "INSERT INTO webhook_deliveries VALUES ('crm', ?, ?, ?, ?)", at, due_at, status, at)


def write(planted: PlantedDeployment, statement: str, *values: object) -> None:
    connection = sqlite3.connect(planted.folder / "auth.db")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_a_claims_hook_that_cannot_be_imported_is_found(planted: PlantedDeployment) -> None:
    planted.auth["CLAIMS_HOOK"] = "no_such_module:claims"
    ((_, severity, cause),) = planted.findings("settings.invalid")
    assert severity == "error"
    assert "CLAIMS_HOOK" in cause


def test_claims_that_no_hook_adds_are_found(planted: PlantedDeployment) -> None:
    planted.gateway["IDENTITY_CLAIMS"] = "tenant,plan"
    ((check, severity, cause),) = planted.findings("claims")
    assert (check, severity) == ("claims.forwarded", "warning")
    assert "tenant, plan" in cause
    planted.auth["CLAIMS_HOOK"] = "tests.auth_service.tokens.hooks:answer"
    assert planted.findings("claims") == []
