"""What the gateway is told, and what stops its start."""

import re
from pathlib import Path

import pytest

from chassis.settings import SettingsError, load
from gateway.http.origin import parse_origin
from gateway.settings import GatewaySettings, ServingSettings
from tests.gateway.access_tokens import PEER_SECRET

ENOUGH = {"AUTH_URL": "http://127.0.0.1:8001", "REDIS_URL": "redis://127.0.0.1", "PEER_SECRET": PEER_SECRET}


def test_three_variables_are_enough() -> None:
    settings = load(GatewaySettings, ENOUGH)
    assert settings.access_token_leeway == 10
    assert settings.gateway_routes.name == "routes.toml"
    assert settings.gateway_routes.exists()
    assert PEER_SECRET not in repr(settings)


@pytest.mark.parametrize("name", ENOUGH)
def test_each_of_them_is_needed_and_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is missing$"):
        load(GatewaySettings, {known: value for known, value in ENOUGH.items() if known != name})


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
        ("TRUSTED_PROXIES", "::/0"),
        ("TRUSTED_PROXIES", "*"),
        ("PROXY_PROTOCOL", "v1"),
        ("PROXY_PROTOCOL", "v3"),
        ("ACCESS_LOG", "perhaps"),
        ("ACCESS_LOG", "1/0"),
        ("ACCESS_LOG", "2/100"),
        ("LOG_LEVEL", "LOUD"),
        ("APP_ENV", "staging"),
    ],
)
def test_a_value_that_makes_no_sense_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} "):
        load(GatewaySettings, ENOUGH | {name: value})


@pytest.mark.parametrize(("text", "every"), [("", 1), ("on", 1), ("off", 0), ("OFF", 0), ("1/1", 1), ("1/250", 250)])
def test_the_access_log_has_every_request_or_a_share_or_none(text: str, every: int) -> None:
    assert load(GatewaySettings, ENOUGH | {"ACCESS_LOG": text}).access_log == every


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert load(ServingSettings, {"GATEWAY_PORT": "9000"}).bind == ["127.0.0.1:9000"]
    told = {"GATEWAY_BIND": "unix:/run/g.sock", "GATEWAY_INTERNAL_BIND": "127.0.0.1:9001"}
    assert load(ServingSettings, told).bind == ["unix:/run/g.sock", "127.0.0.1:9001"]


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("b.example", "needs a scheme in 'b.example': 'https://b.example' or 'http://b.example'"),
        ("http://localhost:5173/", "an origin has no path; write 'http://localhost:5173'"),
        ("https://b.example/app/", "an origin has no path; write 'https://b.example'"),
        ("https://*.example.com", "cannot hold 'https://*.example.com': name each origin"),
        ("http://b.example:*", "'*' may only be a port, of localhost, 127.0.0.1 or [::1]"),
        ("*", "requests carry credentials, so every origin has to be named"),
        ("null", "every local file and every sandboxed frame has that origin"),
        ("http://b.example http://c.example", "separated by commas; 'http://b.example http://c.example' is not"),
        ("http://b.example:99999", "'http://b.example:99999' is not an origin"),
        ("file://", "'file://' is not an origin"),
    ],
)
def test_a_bad_origin_is_named_with_what_to_write_instead(entry: str, advice: str) -> None:
    with pytest.raises(SettingsError, match=f"^ALLOWED_ORIGINS .*{re.escape(advice)}.*; got "):
        load(GatewaySettings, ENOUGH | {"ALLOWED_ORIGINS": f"https://a.example, {entry}"})


LOCAL = [
    *("http://localhost", "http://localhost:8100", "http://127.0.0.1:5173", "http://[::1]:4200", "https://localhost"),
    *("capacitor://localhost", "ionic://localhost"),
]


def test_in_development_pages_on_this_machine_are_allowed() -> None:
    allowed = load(GatewaySettings, ENOUGH).origins
    assert [origin for origin in LOCAL if parse_origin(origin) not in allowed] == []
    for origin in ("https://localhost:1", "http://localhost.example", "http://192.168.0.2", "ionic://localhost:1"):
        assert parse_origin(origin) not in allowed


def test_in_production_and_where_a_list_is_given_they_are_not() -> None:
    assert not load(GatewaySettings, ENOUGH | {"APP_ENV": "production", "DATA_DIR": "/run/secrets"}).origins
    allowed = load(GatewaySettings, ENOUGH | {"ALLOWED_ORIGINS": "https://a.example"}).origins
    assert [origin for origin in LOCAL if parse_origin(origin) in allowed] == []


@pytest.mark.parametrize("listed", ["https://A.example", "https://a.example:443", "https://a.example:0443"])
def test_an_origin_may_be_listed_with_its_default_port(listed: str) -> None:
    assert parse_origin("https://a.example") in load(GatewaySettings, ENOUGH | {"ALLOWED_ORIGINS": listed}).origins


def test_production_reads_no_secret_from_a_folder_that_happens_to_be_there() -> None:
    with pytest.raises(SettingsError, match=r"^DATA_DIR is required in production: secrets are not read from \.data"):
        load(GatewaySettings, ENOUGH | {"APP_ENV": "production"})
    assert load(GatewaySettings, ENOUGH).data_dir == Path(".data")
