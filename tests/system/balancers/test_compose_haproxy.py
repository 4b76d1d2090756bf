"""The HAProxy configuration of docker-compose.yml, in front of a gateway on this machine."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.conftest import BALANCER
from tests.system.support.running_stack import PASSWORD, RunningStack

HAPROXY = shutil.which("haproxy", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed")


@pytest.fixture
def balancer(strict_stack: RunningStack, tmp_path: Path) -> Iterator[str]:
    """The balancer's URL. It connects to the gateway by address, because Docker's DNS is not available."""
    port, gateway = free_port(), strict_stack.url.removeprefix("http://")
    shipped = (ROOT / "deploy" / "compose" / "haproxy.cfg").read_text()
    config = shipped.replace("bind :8000", f"bind 127.0.0.1:{port}").replace(" init-addr none resolvers docker", "")
    config = config.replace("server-template gateway 16 gateway:8000", f"server gateway {gateway} source {BALANCER}")
    (tmp_path / "haproxy.cfg").write_text(config)
    with subprocess.Popen([str(HAPROXY), "-db", "-q", "-f", str(tmp_path / "haproxy.cfg")]) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_sessions_behind_haproxy_have_the_clients_own_address(strict_stack: RunningStack, balancer: str) -> None:
    account = strict_stack.register()
    with requests.Session() as http:
        http.trust_env = False
        deadline = time.monotonic() + 30
        while not _is_up(http, balancer):
            assert time.monotonic() < deadline, strict_stack.output()[-2000:]
            time.sleep(0.05)
        tokens = http.post(
            f"{balancer}/auth/jwt/create/", json={"email": account.email, "password": PASSWORD}, timeout=10
        ).json()
        sessions = http.get(
            f"{balancer}/auth/sessions/", headers={"Authorization": f"Bearer {tokens['access']}"}, timeout=10
        ).json()
    assert {session["address"] for session in sessions} == {"127.0.0.1"}  # not BALANCER, from which HAProxy connects


def _is_up(http: requests.Session, url: str) -> bool:
    try:
        return http.get(f"{url}/healthz", timeout=2).status_code == 200
    except (OSError, requests.RequestException):
        return False
