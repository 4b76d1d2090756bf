"""The gateway's settings: defaults, required variables, and values that stop the start."""

import re
from pathlib import Path

import pytest

from chassis.settings import SettingsError, load
from gateway.http.origin import parse_origin
from gateway.settings import GatewaySettings, ServingSettings
from tests.gateway.access_tokens import PEER_SECRET

REQUIRED = {"AUTH_URL": "http://127.0.0.1:8001", "REDIS_URL": "redis://127.0.0.1", "PEER_SECRET": PEER_SECRET}


def test_three_variables_are_required_and_sufficient() -> None:
    settings = load(GatewaySettings, REQUIRED)
    assert settings.access_token_leeway == 10
    assert settings.gateway_routes.name == "routes.toml"
    assert settings.gateway_routes.exists()
    assert PEER_SECRET not in repr(settings)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_required_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is missing$"):
        load(GatewaySettings, {known: value for known, value in REQUIRED.items() if known != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PEER_SECRET", "too short"),
        ("PEER_SECRET", "changeme" * 8),
        ("ACCESS_TOKEN_LEEWAY", "soon"),
        ("ACCESS_TOKEN_LEEWAY", "-1"),
        ("ACCESS_TOKEN_LEEWAY", "11"),
        ("JWKS_MAX_AGE", "86400"),
        ("VERIFIED_TOKENS", "-1"),
        ("REVOCATION_FAIL", "perhaps"),
        ("ALLOWED_ORIGINS", "https://a.example, b.example"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example/"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "https://*.example"),
        ("ALLOWED_ORIGINS", "https://a.example:*"),
        ("ALLOWED_ORIGINS", "https://a.example:65536"),
        ("ALLOWED_ORIGINS", "http://[::g]"),
        ("CORS_MAX_AGE", "-1"),
        ("MAX_HEADER_FIELDS", "1001"),
        ("MAX_HEADER_BYTES", "1023"),
        ("MAX_HEADER_BYTES", "32KB"),
        ("MAX_TARGET_BYTES", "8001"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "balancer.example"),
        ("TRUSTED_PROXIES", "10.0.0.1, 0.0.0.0/0"),
        ("TRUSTED_PROXIES", "0.0.0.0/1, 10.0.0.1, 128.0.0.0/1"),
        ("TRUSTED_PROXIES", "::/1, 8000::/1"),
        ("TRUSTED_PROXIES", "::/0"),
        ("TRUSTED_PROXIES", "*"),
        ("PROXY_PROTOCOL", "v1"),  # without TRUSTED_PROXIES
        ("PROXY_PROTOCOL", "v3"),
        ("ACCESS_LOG", "perhaps"),
        ("ACCESS_LOG", "1/0"),
        ("ACCESS_LOG", "2/100"),
        ("LOG_LEVEL", "LOUD"),
        ("APP_ENV", "staging"),
    ],
)
def test_an_invalid_value_stops_the_start_and_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} "):
        load(GatewaySettings, REQUIRED | {name: value})


@pytest.mark.parametrize(("text", "every"), [("", 1), ("on", 1), ("off", 0), ("OFF", 0), ("1/1", 1), ("1/250", 250)])
def test_access_log_is_on_or_off_or_the_share_of_requests_that_are_logged(text: str, every: int) -> None:
    assert load(GatewaySettings, REQUIRED | {"ACCESS_LOG": text}).access_log == every


def test_the_public_address_is_gateway_bind_or_else_loopback() -> None:
    assert load(ServingSettings, {"GATEWAY_PORT": "9000"}).bind == ["127.0.0.1:9000"]
    environ = {"GATEWAY_BIND": "unix:/run/g.sock", "GATEWAY_INTERNAL_BIND": "127.0.0.1:9001"}
    assert load(ServingSettings, environ).bind == ["unix:/run/g.sock", "127.0.0.1:9001"]


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("b.example", "needs a scheme in 'b.example': 'https://b.example' or 'http://b.example'"),
        ("http://localhost:5173/", "an origin has no path; write 'http://localhost:5173'"),
        ("https://b.example/app/", "an origin has no path; write 'https://b.example'"),
        ("https://*.example.com", "must not contain 'https://*.example.com': name each origin"),
        ("http://b.example:*", "'*' may only be a port, of localhost, 127.0.0.1 or [::1]"),
        ("*", "requests carry credentials, so every origin has to be named"),
        ("null", "every local file and every sandboxed frame has that origin"),
        ("http://b.example http://c.example", "separated by commas; 'http://b.example http://c.example' is not"),
        ("http://b.example:99999", "'http://b.example:99999' is not an origin"),
        ("file://", "'file://' is not an origin"),
    ],
)
def test_the_error_for_an_invalid_origin_says_what_to_write_instead(entry: str, advice: str) -> None:
    with pytest.raises(SettingsError, match=f"^ALLOWED_ORIGINS .*{re.escape(advice)}.*; got "):
        load(GatewaySettings, REQUIRED | {"ALLOWED_ORIGINS": f"https://a.example, {entry}"})


LOCAL = [
    *("http://localhost", "http://localhost:8100", "http://127.0.0.1:5173", "http://[::1]:4200", "https://localhost"),
    *("capacitor://localhost", "ionic://localhost"),
]


@pytest.mark.parametrize(
    "url",
    [
        *("/", "/auth/login/", "/sign-in?theme=dark&x=%20", "https://app.example.com/login"),
        *("https://app.example.com:8443/", "http://localhost:5173/login", "http://[::1]:1/"),
    ],
)
def test_a_log_in_page_is_a_path_or_an_https_url(url: str) -> None:
    assert load(GatewaySettings, REQUIRED | {"LOGIN_URL": url}).login_url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "auth/login/",
            "//evil.example/",
            "/\\evil.example",
            "/a//b",
            "/../x",
            "/a/./b",
            "/a#b",
            "/a b",
            "/\ta",
            "/é",
        ),
        *("http://app.example.com/login", "https://app.example.com", "https://u:p@app.example.com/", "javascript:x"),
        *(
            "https://app.example.com\\x/",
            "https:///x",
            "/a\r\nSet-Cookie: x=y",
            "/a;b",
            "https://a/b#c",
            "http://localhost.evil/",
        ),
    ],
)
def test_another_log_in_page_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="LOGIN_URL"):
        load(GatewaySettings, REQUIRED | {"LOGIN_URL": url})


def test_in_development_origins_on_this_machine_are_allowed() -> None:
    allowed = load(GatewaySettings, REQUIRED).origins
    assert [origin for origin in LOCAL if parse_origin(origin) not in allowed] == []
    for origin in ("https://localhost:1", "http://localhost.example", "http://192.168.0.2", "ionic://localhost:1"):
        assert parse_origin(origin) not in allowed


def test_in_production_and_with_allowed_origins_set_origins_on_this_machine_are_refused() -> None:
    assert not load(GatewaySettings, REQUIRED | {"APP_ENV": "production", "DATA_DIR": "/run/secrets"}).origins
    allowed = load(GatewaySettings, REQUIRED | {"ALLOWED_ORIGINS": "https://a.example"}).origins
    assert [origin for origin in LOCAL if parse_origin(origin) in allowed] == []


@pytest.mark.parametrize("listed", ["https://A.example", "https://a.example:443", "https://a.example:0443"])
def test_an_origin_may_be_listed_with_its_default_port(listed: str) -> None:
    assert parse_origin("https://a.example") in load(GatewaySettings, REQUIRED | {"ALLOWED_ORIGINS": listed}).origins


def test_production_requires_an_explicit_data_dir() -> None:
    with pytest.raises(SettingsError, match=r"^DATA_DIR is required in production: secrets are not read from \.data"):
        load(GatewaySettings, REQUIRED | {"APP_ENV": "production"})
    assert load(GatewaySettings, REQUIRED).data_dir == Path(".data")


@pytest.mark.parametrize(
    "public",
    [{"APP_ENV": "production", "DATA_DIR": "/run/secrets"}, {"PUBLIC_URL": "https://api.example.org"}],
)
def test_development_is_refused_where_the_public_reaches_the_gateway(public: dict[str, str]) -> None:
    with pytest.raises(
        SettingsError, match=r"^DEVELOPMENT must be off .*: anybody could make requests fail; got 'on'"
    ):
        load(GatewaySettings, REQUIRED | public | {"DEVELOPMENT": "on"})
    assert not load(GatewaySettings, REQUIRED | public).development


@pytest.mark.parametrize("url", ["", "http://localhost:8000", "https://localhost:8443", "http://192.168.0.7:8000"])
def test_development_may_be_on_elsewhere(url: str) -> None:
    assert load(GatewaySettings, REQUIRED | {"PUBLIC_URL": url, "DEVELOPMENT": "on"}).development
