"""Planted faults in servers, each a real one: Redis, services, the gateway, databases, SMTP, TLS."""

import sqlite3
import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from auth_service.storage.migration_settings import MIGRATIONS as AUTH_MIGRATIONS
from chassis.sql.startup_check import MigrationSettings
from doctor.checks import certificates, disk, ports, redis
from doctor.deployment import Place
from doctor.probes.certificates import presented_certificate
from doctor.probes.disk import disk_of
from doctor.probes.gateway import gateway_target
from doctor.probes.http import Target
from doctor.probes.ports import open_ports
from doctor.probes.redis import probe_redis
from resource_service.migration_settings import MIGRATIONS as RESOURCE_MIGRATIONS
from tests.auth_service.mail.smtp_server import MailServer, mail_server
from tests.doctor.planted import PlantedDeployment, change_routes, later, write_tables
from tests.doctor.servers import Answering, http_server, redis_server
from tests.gateway.stand_ins.certificates import Authority
from tests.ports import free_port

SAFE = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
STRONG = "correct-horse-battery-staple"


def test_a_safe_redis_is_no_finding(planted: PlantedDeployment, tmp_path: Path) -> None:
    with redis_server(tmp_path, *SAFE, "--requirepass", STRONG) as url:
        planted.shared["REDIS_URL"] = url.replace("://", f"://:{STRONG}@")
        assert planted.findings("redis", "clocks.redis", "versions.redis") == []
        facts = probe_redis(f"{url}?password={STRONG}", time.time)
    assert list(redis.password(replace(facts, host="10.0.0.5"), Place.HOST)) == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--appendonly", "no", "--save", ""), ("redis.persistence", "error")),
        (("--appendonly", "no", "--save", "3600 1"), ("redis.persistence", "warning")),
        ((*SAFE, "--maxmemory-policy", "allkeys-lru"), ("redis.eviction", "warning")),
        ((*SAFE, "--maxmemory-policy", "volatile-ttl", "--maxmemory", "100mb"), ("redis.eviction", "error")),
        ((*SAFE, "--maxmemory", "1100kb"), ("redis.memory", "warning")),
        ((*SAFE, "--replicaof", "127.0.0.1", "1"), ("redis.replica", "error")),
    ],
)
def test_an_unsafe_redis_is_found(
    planted: PlantedDeployment, tmp_path: Path, options: tuple[str, ...], found: tuple[str, str]
) -> None:
    with redis_server(tmp_path, *options) as url:
        planted.shared["REDIS_URL"] = url
        assert [(check, severity) for check, severity, _ in planted.findings("redis")] == [found]


def test_a_redis_with_few_connections_left_is_found(tmp_path: Path) -> None:
    """The limit is set in the facts: a server with such a limit may refuse the connection of the check itself."""
    with redis_server(tmp_path, *SAFE) as url:
        facts = probe_redis(url, time.time)
    assert list(redis.clients(facts)) == []
    (problem,) = redis.clients(replace(facts, max_clients=facts.clients))
    assert f"{facts.clients} of {facts.clients}" in problem.cause


def test_a_redis_without_a_password_in_a_network_is_found(tmp_path: Path) -> None:
    with redis_server(tmp_path, *SAFE) as url:
        facts = probe_redis(url, time.time)
    assert list(redis.password(facts, Place.HOST)) == [], "only this machine can connect"
    in_network = replace(facts, host="10.0.0.5")
    for place in (Place.HOST, Place.KUBERNETES):
        (problem,) = redis.password(in_network, place)
        assert "10.0.0.5" in problem.cause
    assert list(redis.password(in_network, Place.CONTAINER)) == []
    assert list(redis.password(replace(facts, host="9.9.9.9"), Place.CONTAINER))
    assert list(redis.encryption(replace(facts, host="9.9.9.9")))


def test_a_redis_that_does_not_answer_is_found_and_the_rest_not_checked(planted: PlantedDeployment) -> None:
    planted.shared["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}"
    report = planted.report("redis")
    assert [finding.check for finding in report.findings] == ["redis.reachable"]
    assert {each.check for each in report.not_checked} >= {"redis.persistence", "redis.eviction", "redis.password"}


def test_a_store_that_answers_at_another_address_of_the_machine_is_found(tmp_path: Path) -> None:
    with redis_server(tmp_path, *SAFE, "--bind", "127.0.0.1", "127.0.0.2") as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        found = open_ports({"Redis": ("127.0.0.1", port)}, ("127.0.0.2",))
    (problem,) = ports.stores(found)
    assert problem.cause.startswith(f"Redis also answers at 127.0.0.2:{port}")


@pytest.mark.parametrize(
    ("settings", "check", "severity"),
    [
        ({"AUTH_BIND": "0.0.0.0:8001"}, "ports.services", "warning"),
        ({"AUTH_BIND": "9.9.9.9:8001"}, "ports.services", "error"),
        ({"AUTH_INTERNAL_BIND": "[::]:9000"}, "ports.internal", "warning"),
    ],
)
def test_an_internal_port_for_everybody_is_found(
    planted: PlantedDeployment, settings: dict[str, str], check: str, severity: str
) -> None:
    assert planted.findings("ports.services", "ports.internal") == []
    planted.auth |= settings
    found = planted.findings("ports.services", "ports.internal")
    assert [(name, kind) for name, kind, _ in found] == [(check, severity)]
    planted.place = Place.CONTAINER
    if severity == "warning":
        assert planted.findings("ports.services", "ports.internal") == []


def _notes_at(planted: PlantedDeployment, authority: str) -> None:
    planted.gateway["RESOURCE_URL"] = f"http://{authority}"


def _careful(path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
    return (401 if path.startswith("/api") else 404), {}


def test_a_service_that_verifies_assertions_is_no_finding(planted: PlantedDeployment) -> None:
    with http_server(_careful) as authority:
        _notes_at(planted, authority)
        assert planted.findings("services") == []


def test_a_service_that_answers_everybody_is_found(planted: PlantedDeployment) -> None:
    with http_server(lambda path, _: (200 if path.startswith("/api") else 404, {})) as authority:
        _notes_at(planted, authority)
        ((check, severity, cause),) = planted.findings("services")
    assert (check, severity) == ("services.unauthenticated", "error")
    assert f"http://{authority}" in cause


def test_a_service_that_accepts_a_forged_assertion_is_found(planted: PlantedDeployment) -> None:
    with http_server(lambda _, headers: (200 if "x-identity" in headers else 401, {})) as authority:
        _notes_at(planted, authority)
        ((check, _, cause),) = planted.findings("services")
    assert check == "services.forged"
    assert "signed with another secret" in cause


def test_a_service_that_trusts_unsigned_assertions_is_found(planted: PlantedDeployment) -> None:
    def answer(_: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        return (200 if headers.get("x-identity", "").endswith(".") else 401), {}

    with http_server(answer) as authority:
        _notes_at(planted, authority)
        ((check, _, cause),) = planted.findings("services")
    assert check == "services.forged"
    assert "without a signature" in cause


def test_a_service_that_only_answers_404_is_not_checked(planted: PlantedDeployment) -> None:
    with http_server(lambda *_: (404, {})) as authority:
        _notes_at(planted, authority)
        report = planted.report("services")
    assert report.findings == ()
    assert [each.check for each in report.not_checked] == ["services.unauthenticated", "services.forged"]


def test_a_service_that_is_down_is_found(planted: PlantedDeployment) -> None:
    _notes_at(planted, f"127.0.0.1:{free_port()}")
    ((check, _, _),) = [(each.check, "", "") for each in planted.report("services").findings]
    assert check == "services.reachable"


def test_services_that_are_down_or_not_ready_are_found(planted: PlantedDeployment) -> None:
    with http_server(lambda *_: (503, {})) as authority:
        planted.gateway["AUTH_URL"] = f"http://{authority}"
        planted.resource["RESOURCE_BIND"] = authority
        found = planted.findings("auth.ready", "resource.ready")
    assert [check for check, _, _ in found] == ["auth.ready", "resource.ready"]
    report = planted.report("auth", "resource")
    assert [each.check for each in report.findings] == ["auth.reachable", "resource.reachable"]


def test_a_container_of_the_auth_service_checks_itself(planted: PlantedDeployment) -> None:
    planted.gateway.clear()
    planted.resource.clear()
    with http_server(lambda *_: (503, {})) as authority:
        planted.auth["AUTH_BIND"] = f"0.0.0.0:{authority.rpartition(':')[2]}"
        ((check, _, cause),) = planted.findings("auth")
    assert (check, "answers 503" in cause) == ("auth.ready", True)


def test_a_short_keep_alive_is_found(planted: PlantedDeployment) -> None:
    with http_server(lambda *_: (401, {"Keep-Alive": "timeout=5"})) as authority:
        _notes_at(planted, authority)
        ((check, severity, cause),) = planted.findings("timeouts.keep-alive")
        assert (check, severity) == ("timeouts.keep-alive", "warning")
        assert "after 5 seconds" in cause
        planted.resource["GUNICORN_CMD_ARGS"] = "--keep-alive 5"
        assert [severity for _, severity, _ in planted.findings("timeouts.keep-alive")] == ["error", "warning"]


def _gateway(headers: Mapping[str, str], development: int = 404) -> Answering:
    def answer(path: str, _: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        return {"/readyz": 200, "/development/": development}.get(path, 401), headers

    return answer


LIVE = ("gateway", "clocks.gateway", "browsers.cookies", "browsers.any-origin", "settings.development")


@pytest.mark.parametrize(
    ("headers", "development", "found"),
    [
        ({}, 404, []),
        ({"Set-Cookie": "session=; HttpOnly; SameSite=Strict"}, 404, ["browsers.cookies"]),
        ({"Access-Control-Allow-Origin": "*"}, 404, ["browsers.any-origin"]),
        ({"Access-Control-Allow-Origin": "https://doctor.invalid"}, 404, ["browsers.any-origin"]),
        ({}, 200, ["settings.development"]),
    ],
)
def test_what_a_browser_gets_is_checked(
    planted: PlantedDeployment, headers: Mapping[str, str], development: int, found: list[str]
) -> None:
    now = {"Date": format_datetime(datetime.now(UTC), usegmt=True)}
    with http_server(_gateway({**now, **headers}, development)) as authority:
        planted.url = f"http://{authority}"
        assert [check for check, _, _ in planted.findings(*LIVE)] == found


@pytest.mark.parametrize(("seconds", "severity"), [(30, "error"), (-30, "error"), (7, "warning")])
def test_a_wrong_clock_is_found(planted: PlantedDeployment, seconds: int, severity: str) -> None:
    date = {"Date": format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)}
    with http_server(_gateway(date)) as authority:
        planted.url = f"http://{authority}"
        ((check, found, cause),) = planted.findings(*LIVE)
    assert (check, found) == ("clocks.gateway", severity)
    assert ("ahead of" if seconds > 0 else "behind") in cause


def test_a_gateway_that_is_down_is_found(planted: PlantedDeployment) -> None:
    planted.url = f"http://127.0.0.1:{free_port()}"
    report = planted.report("gateway")
    assert [each.check for each in report.findings] == ["gateway.reachable"]
    assert [each.check for each in report.not_checked] == ["gateway.ready"]


@pytest.mark.parametrize(
    ("file", "migrations", "check"),
    [
        ("auth.db", AUTH_MIGRATIONS, "database.auth-migrations"),
        ("notes.db", RESOURCE_MIGRATIONS, "database.resource-migrations"),
    ],
)
def test_old_tables_are_found(
    planted: PlantedDeployment, file: str, migrations: MigrationSettings, check: str
) -> None:
    assert planted.findings("database") == []
    write_tables(planted.folder / file, migrations, "0001")
    ((found, severity, cause),) = planted.findings("database")
    assert (found, severity) == (check, "error")
    assert "at version" in cause


def test_a_missing_database_is_found(planted: PlantedDeployment) -> None:
    (planted.folder / "notes.db").unlink()
    report = planted.report("database")
    assert [each.check for each in report.findings] == ["database.reachable"]


@pytest.mark.parametrize(("age", "severity"), [(60, None), (1_200, "warning"), (10_000, "error")])
def test_mails_that_wait_are_found(planted: PlantedDeployment, age: float, severity: str | None) -> None:
    _add_mail(planted, time.time() - age, due_at=time.time(), failed_at=None)
    assert [kind for _, kind, _ in planted.findings("mail.backlog")] == [severity][: severity is not None]


def test_mails_that_were_given_up_are_found(planted: PlantedDeployment) -> None:
    _add_mail(planted, time.time(), due_at=None, failed_at=time.time())
    ((_, severity, cause),) = planted.findings("mail.backlog")
    assert severity == "warning"
    assert cause.startswith("1 mails were given up")


def _add_mail(planted: PlantedDeployment, created_at: float, due_at: float | None, failed_at: float | None) -> None:
    connection = sqlite3.connect(planted.folder / "auth.db")
    connection.execute("INSERT INTO mail_outbox VALUES (?, ?, ?)", (created_at, due_at, failed_at))
    connection.commit()
    connection.close()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_mail_server_that_refuses_the_log_in_is_found(planted: PlantedDeployment) -> None:
    with mail_server(MailServer(credentials=("ann", "right"))) as server:
        planted.auth |= {"SMTP_PORT": str(server.port), "SMTP_USER": "ann", "SMTP_PASSWORD": "right"}
        assert planted.findings("mail.server") == []
        planted.auth["SMTP_PASSWORD"] = "wrong-one"
        ((_, severity, cause),) = planted.findings("mail.server")
        assert server.received == [], "no mail is sent"
    assert severity == "error"
    assert "refused the log-in" in cause
    assert "wrong-one" not in cause


def test_a_mail_server_without_starttls_is_found(planted: PlantedDeployment) -> None:
    with mail_server(MailServer()) as server:
        planted.auth |= {"SMTP_PORT": str(server.port), "SMTP_SECURITY": "starttls"}
        ((_, _, cause),) = planted.findings("mail.server")
    assert "does not offer STARTTLS" in cause


def test_a_mail_server_that_is_down_is_found(planted: PlantedDeployment) -> None:
    planted.auth["SMTP_PORT"] = str(free_port())
    ((_, _, cause),) = planted.findings("mail.server")
    assert cause.startswith("Mails cannot be sent: 127.0.0.1:")


def test_no_mail_server_in_production_is_found(planted: PlantedDeployment) -> None:
    for name in ("SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY", "MAIL_FROM"):
        del planted.auth[name]
    planted.auth["MAIL_WITHOUT_SMTP"] = "folder"
    ((_, severity, cause),) = planted.findings("mail.settings")
    assert severity == "warning"
    assert cause.startswith("SMTP_HOST is not set in production")


@pytest.mark.parametrize(("days", "severity"), [(0, None), (50, "warning"), (61, "error")])
def test_a_client_certificate_that_ends_is_found(planted: PlantedDeployment, days: int, severity: str | None) -> None:
    authority = Authority(planted.folder, "ca")
    pair = authority.issue("client", ends_in=timedelta(days=60))
    planted.gateway |= {
        "AUTH_URL": "https://auth.example.net:8443",
        "AUTH_CLIENT_CERT_FILE": str(pair.cert),
        "AUTH_CLIENT_KEY_FILE": str(pair.key),
    }
    found = planted.findings("certificates.gateway", clock=later(days))
    assert [kind for _, kind, _ in found] == [severity][: severity is not None]
    assert all("AUTH_CLIENT_CERT_FILE" in cause for _, _, cause in found)


def test_an_authority_of_the_mail_server_that_ends_is_found(planted: PlantedDeployment) -> None:
    planted.auth["SMTP_CA_FILE"] = str(Authority(planted.folder, "mail-ca").file)
    assert planted.findings("certificates.mail") == [], "it lives for three days, and a third is left"
    ((_, _, cause),) = planted.findings("certificates.mail", clock=lambda: time.time() + 80_000)
    assert "SMTP_CA_FILE" in cause


def test_a_server_certificate_that_ends_or_is_refused_is_found(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    pair = authority.issue("server", "127.0.0.1", ends_in=timedelta(days=3))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with http_server(lambda *_: (200, {}), context) as server:
        target = gateway_target(f"https://{server}")
        refused = presented_certificate(target)
        ending = presented_certificate(Target(target.authority, target.host, target.port, tls=trusting))
    (problem,) = certificates.ends([refused], time.time())
    assert "is refused" in problem.cause
    assert list(certificates.ends([ending], time.time())) == []
    (problem,) = certificates.ends([ending], time.time() + 2.5 * 86_400)
    assert str(problem.severity) == "warning"


def test_an_upstream_whose_certificate_is_refused_is_found(planted: PlantedDeployment) -> None:
    pair = Authority(planted.folder, "other-ca").issue("server", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with http_server(lambda *_: (401, {}), context) as server:
        change_routes(planted, lambda text: text.replace("${RESOURCE_URL}", f"https://{server}"))
        ((check, _, cause),) = planted.findings("certificates.upstreams")
    assert (check, "is refused" in cause) == ("certificates.upstreams", True)


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    state = disk_of("DATA_DIR", tmp_path)
    assert list(disk.room([replace(state, free=state.total // 2, free_files=10, total_files=10)])) == []
    kinds = [
        str(problem.severity)
        for free in (50 * disk.MIB, 500 * disk.MIB)
        for problem in disk.room([replace(state, free=free, total=100 * 1024 * disk.MIB)])
    ]
    assert kinds == ["error", "warning"]
    assert list(disk.room([replace(state, free=state.total // 2, free_files=1, total_files=1000)]))
