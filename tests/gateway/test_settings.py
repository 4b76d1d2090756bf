"""What the gateway is told, and what stops its start."""

import pytest

from chassis.settings import SettingsError, load
from gateway.settings import GatewaySettings, ServingSettings
from tests.gateway.tokens import PEER_SECRET

ENOUGH = {"AUTH_URL": "http://127.0.0.1:8001", "REDIS_URL": "redis://127.0.0.1", "PEER_SECRET": PEER_SECRET}


def test_three_variables_are_enough() -> None:
    settings = load(GatewaySettings, ENOUGH)
    assert settings.access_token_lifetime == 300
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
        ("ACCESS_TOKEN_LIFETIME", "soon"),
        ("ACCESS_TOKEN_LIFETIME", "0"),
        ("JWKS_MAX_AGE", "86400"),
        ("VERIFIED_TOKENS", "-1"),
        ("REVOCATION_FAIL", "perhaps"),
        ("ALLOWED_ORIGINS", "https://a.example, b.example"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example/"),
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
