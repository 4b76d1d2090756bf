"""The gateway calls the auth service over TLS; wrong TLS settings stop the start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.settings import SettingsError
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream, Script
from tests.gateway.routing.test_upstream_tls import requiring_certificates
from tests.gateway.running_gateway import running
from tests.gateway.single_requests import request_once
from tests.gateway.stand_ins.certificates import Authority


@pytest.fixture(scope="module")
def auth_over_tls(authority: Authority, auth_answers: Script) -> Iterator[RawUpstream]:
    """An auth service that requires TLS and a client certificate."""
    upstream = RawUpstream(requiring_certificates(authority.issue("auth", "localhost"), authority))
    upstream.begin(auth_answers)
    yield upstream
    upstream.stop()


def test_the_auth_service_is_called_over_tls(
    make_app: MakeApp, authority: Authority, auth_over_tls: RawUpstream, tmp_path: Path
) -> None:
    """The gateway is ready, so it has fetched the JWKS."""
    (tmp_path / "routes.toml").write_text("")
    client = authority.issue("gateway")
    settings = {
        "AUTH_CA_FILE": authority.file,
        "AUTH_CLIENT_CERT_FILE": client.cert,
        "AUTH_CLIENT_KEY_FILE": client.key,
    }
    url = f"https://localhost:{auth_over_tls.port}"
    app = make_app(
        AUTH_URL=url,
        GATEWAY_ROUTES=str(tmp_path / "routes.toml"),
        **{name: str(file) for name, file in settings.items()},
    )
    with running(app) as gateway:
        assert request_once(gateway, "/readyz").status == 200
    assert auth_over_tls.requests[0].request_line == "GET /.well-known/jwks.json HTTP/1.1"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"AUTH_URL": "https://x", "AUTH_CA_FILE": "nowhere.pem"}, "AUTH_CA_FILE: .*nowhere.pem cannot be read"),
        ({"AUTH_URL": "https://x", "AUTH_CLIENT_CERT_FILE": "c.pem"}, "AUTH_CLIENT_KEY_FILE must be set together"),
        ({"AUTH_URL": "http://x", "AUTH_CA_FILE": "c.pem"}, "AUTH_CA_FILE, .* need an https://"),
    ],
)
def test_a_wrong_tls_setting_of_the_auth_service_stops_the_start_and_is_named(
    make_app: MakeApp, settings: dict[str, str], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        make_app(**settings)
