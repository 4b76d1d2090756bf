"""The services run with the rendered settings, and answer the probes on the ports of their pods.

The addresses are those of loopback, the databases are SQLite files, and no Redis runs: the rest is as in the pods.
"""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.kubernetes.environment import environ_of
from tests.kubernetes.manifests import Manifest, Overlay, needs_tools, only_container
from tests.ports import free_port
from tests.system.support.running_stack import clean_environ, end

pytestmark = [needs_tools, pytest.mark.system, pytest.mark.timeout(300)]
PACKAGES = {"gateway": "gateway", "auth": "auth_service", "resource": "resource_service"}
DEADLINE_SECONDS = 120


def status_of(port: int, path: str) -> int:
    """Return the status of a response; 0 if nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_for(port: int, path: str, process: "subprocess.Popen[bytes]") -> int:
    """Return the first status that is not 0, within DEADLINE_SECONDS."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (status := status_of(port, path)):
        assert process.poll() is None, "the service has ended"
        assert time.monotonic() < deadline, "the service does not listen"
        time.sleep(0.1)
    return status


def local_environ(overlay: Overlay, name: str, folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """Return the environment of a pod, with addresses and databases of this machine."""
    environ = environ_of(overlay, name, folder)
    for file in folder.glob("secrets/*.database_url"):
        file.write_text(f"sqlite:///{folder}/{name}.db")
    for file in folder.glob("secrets/redis.url"):
        file.write_text(f"redis://127.0.0.1:{free_port()}/0")
    for port in only_container(overlay.pods[name])["ports"]:
        container, own = f"0.0.0.0:{port['containerPort']}", f"127.0.0.1:{ports[port['name']]}"
        environ = {key: own if value == container else value for key, value in environ.items()}
    return clean_environ() | environ


@contextmanager
def running(overlay: Overlay, name: str, folder: Path) -> Iterator[tuple[dict[str, int], "subprocess.Popen[bytes]"]]:
    """Run the service of a pod, after its migration Job; yield its ports by name and its process."""
    ports = {"http": free_port(), "internal": free_port()}
    environ = local_environ(overlay, name, folder, ports)
    if f"{name}-migration" in overlay.pods:
        _python, *arguments = only_container(overlay.pods[f"{name}-migration"])["command"]
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environ, check=True, timeout=120)
    command = [sys.executable, "-m", "gunicorn", "-c", f"python:{PACKAGES[name]}.gunicorn_conf"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ)
    try:
        yield ports, process
    finally:
        end(process)


def probe(overlay: Overlay, name: str, kind: str) -> Manifest:
    """Return what a probe requests: the name of its port, and its path."""
    request = only_container(overlay.pods[name])[kind]["httpGet"]
    assert isinstance(request, dict)
    return request


@pytest.mark.parametrize(("name", "ready"), [("gateway", 503), ("auth", 200), ("resource", 200)])
def test_a_service_answers_its_probes(production: Overlay, name: str, ready: int, tmp_path: Path) -> None:
    """The gateway is not ready, because it finds no auth service here."""
    with running(production, name, tmp_path) as (ports, process):
        started = probe(production, name, "startupProbe")
        assert wait_for(ports[started["port"]], started["path"], process) == 200
        alive = probe(production, name, "livenessProbe")
        assert status_of(ports[alive["port"]], alive["path"]) == 200
        readiness = probe(production, name, "readinessProbe")
        assert status_of(ports[readiness["port"]], readiness["path"]) == ready
        assert status_of(ports["internal"], "/metrics") == 200
        assert status_of(ports["http"], "/metrics") == 404
        if name == "gateway":
            assert status_of(ports["internal"], "/forward-auth") == 404
