"""Planted faults in what has to fit together: cookies, CORS, URLs, timeouts and limits."""

from pathlib import Path

import pytest

from doctor.checks import browsers, limits
from doctor.probes.process_limits import memory_limit
from tests.doctor.planted import PlantedDeployment, change_routes


@pytest.mark.parametrize(
    ("service", "settings", "check", "severity"),
    [
        ("gateway", {"SESSION_COOKIE_SECURE": "off"}, "browsers.cookie-setting", "error"),
        ("shared", {"PUBLIC_URL": "http://api.example.net"}, "browsers.cookie-setting", "warning"),
        ("shared", {"PUBLIC_URL": "http://api.example.net"}, "browsers.public-url", "error"),
        ("gateway", {"ALLOWED_ORIGINS": "http://localhost:5173"}, "browsers.origins", "error"),
        ("gateway", {"ALLOWED_ORIGINS": "http://127.0.0.1:*"}, "browsers.origins", "error"),
        ("gateway", {"ALLOWED_ORIGINS": "http://app.example.net"}, "browsers.origins", "error"),
        ("gateway", {"TRUSTED_PROXIES": ""}, "browsers.trusted-proxies", "error"),
        ("gateway", {"HSTS_MAX_AGE": "0"}, "browsers.hsts", "warning"),
        ("auth", {"REFRESH_TOKEN_LIFETIME": "300"}, "timeouts.tokens", "error"),
        ("auth", {"SESSION_LIFETIME": "200"}, "timeouts.tokens", "error"),
        ("auth", {"ACCESS_TOKEN_LIFETIME": "15"}, "timeouts.tokens", "warning"),
        ("auth", {"REFRESH_GRACE": "300"}, "timeouts.tokens", "warning"),
        ("auth", {"HASH_MAX_WAIT": "45"}, "timeouts.password-queue", "warning"),
        ("resource", {"GUNICORN_CMD_ARGS": "--worker-class sync --timeout 10"}, "timeouts.worker", "error"),
        ("resource", {"GUNICORN_CMD_ARGS": "--limit-request-fields 50"}, "limits.headers", "error"),
        ("auth", {"GUNICORN_CMD_ARGS": "--limit-request-field_size 8190"}, "limits.headers", "error"),
        ("gateway", {"GATEWAY_STREAMS": "65535"}, "limits.open-files", "warning"),
    ],
)
def test_a_contradiction_is_found(
    planted: PlantedDeployment,
    service: str,
    settings: dict[str, str],
    check: str,
    severity: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 100_000))
    assert planted.findings(check) == []
    getattr(planted, service).update(settings)
    found = planted.findings(check)
    assert {(name, kind) for name, kind, _ in found} == {(check, severity)}


@pytest.mark.parametrize("origin", ["https://app.example.net", "capacitor://localhost", "https://localhost"])
def test_an_origin_of_an_app_in_production_is_no_finding(planted: PlantedDeployment, origin: str) -> None:
    planted.gateway["ALLOWED_ORIGINS"] = origin
    assert planted.findings("browsers.origins") == []


def test_pages_without_a_public_url_are_found(planted: PlantedDeployment) -> None:
    del planted.shared["PUBLIC_URL"]
    planted.auth |= {"APP_URL": "https://app.example.net"}
    ((_, severity, cause),) = planted.findings("browsers.public-url")
    assert severity == "warning"
    assert cause.startswith("PAGES is on")
    planted.auth["PAGES"] = "off"
    assert planted.findings("browsers.public-url") == []


def test_a_route_whose_timeouts_contradict_each_other_is_found(planted: PlantedDeployment) -> None:
    change_routes(planted, lambda text: text.replace("read = 30, total = 60", "read = 90, total = 60"))
    ((_, _, cause),) = planted.findings("timeouts.routes")
    assert cause.startswith("The route /api/ has timeout.read = 90")


def test_a_route_with_larger_bodies_than_its_service_is_found(planted: PlantedDeployment) -> None:
    change_routes(planted, lambda text: text.replace('max_body = "1MiB"', 'max_body = "5MiB"'))
    ((_, _, cause),) = planted.findings("limits.bodies")
    assert cause.startswith("The route /api/ lets bodies of 5242880 bytes")


def test_workers_with_threads_are_not_killed_while_requests_run(planted: PlantedDeployment) -> None:
    planted.resource["GUNICORN_CMD_ARGS"] = "--timeout 10"
    assert planted.findings("timeouts.worker") == []


def test_a_container_with_little_memory_for_hashes_is_found(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("100000000\n")
    assert list(limits.hash_memory(2**27, memory_limit(tmp_path)))
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path) is None


@pytest.mark.parametrize(
    ("cookie", "missing"),
    [
        ("session=; Path=/; HttpOnly; SameSite=Strict", "Secure"),
        ("a=1; Path=/; Secure; HttpOnly", "SameSite"),
        ("a=1; Secure; SameSite=Lax", "HttpOnly"),
    ],
)
def test_a_cookie_without_an_attribute_is_found(cookie: str, missing: str) -> None:
    (problem,) = browsers.cookies((cookie,), True)
    assert problem.cause.endswith(f"without {missing}.")


def test_samesite_none_without_secure_is_found_in_development_too() -> None:
    (problem,) = browsers.cookies(("a=1; HttpOnly; SameSite=None",), False)
    assert problem.cause.endswith("without Secure.")
