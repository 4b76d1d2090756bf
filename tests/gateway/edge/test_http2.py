"""The edge with TLS and HTTP/2."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.edge.conftest import ROUTES
from tests.gateway.edge.played_edge import HAPROXY, PlayedEdge, play_edge
from tests.gateway.stand_ins.certificates import Authority

CURL = shutil.which("curl")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed"),
    pytest.mark.skipif(
        CURL is None or b"HTTP2" not in subprocess.run([CURL, "-V"], capture_output=True, check=False).stdout,
        reason="no curl with HTTP/2",
    ),
]


@pytest.fixture(scope="module")
def tls_edge(signing_key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedEdge]:
    """An edge with a certificate."""
    folder = tmp_path_factory.mktemp("certificate")
    pem = folder / "chain-and-key.pem"
    pair = Authority(folder, "authority").issue("site", "localhost")
    pem.write_text(pair.cert.read_text() + pair.key.read_text())
    with play_edge(folder / "edge", ROUTES, [signing_key], certificate=pem) as edge:
        yield edge


def curl(edge: PlayedEdge, *options: str, body: str = "") -> str:
    """Return the response to a request by HTTP/2: version, status and body."""
    address = f"https://localhost:{edge.port}/api/notes"
    command = [str(CURL), "-sk", "--http2", "-w", " %{http_version} %{http_code}", *options, address]
    return subprocess.run(command, input=body, capture_output=True, text=True, check=False, timeout=20).stdout


def test_requests_by_http_2_are_decided(tls_edge: PlayedEdge, signing_key: SigningKey) -> None:
    token = ("-H", f"Authorization: Bearer {signing_key.sign(access_claims(time.time()))}")
    assert curl(tls_edge, *token) == "gateway 2 200"
    assert curl(tls_edge, *token) == "service 2 200"
    assert tls_edge.service.last.get("X-Forwarded-Proto") == "https"
    assert curl(tls_edge, *token, "-d", "12345") == "service 2 200"
    assert curl(tls_edge, *token, "-H", "Cookie: a=1") == "gateway 2 200"
    assert "strict-transport-security: max-age=" in curl(tls_edge, *token, "-i")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_without_a_length_is_for_the_gateway(
    tls_edge: PlayedEdge, signing_key: SigningKey, method: str
) -> None:
    token = ("-H", f"Authorization: Bearer {signing_key.sign(access_claims(time.time()))}", "-X", method)
    curl(tls_edge, *token)
    assert curl(tls_edge, *token, "-T", "-", body="12345") == "gateway 2 200"
    assert curl(tls_edge, *token) == "service 2 200"
