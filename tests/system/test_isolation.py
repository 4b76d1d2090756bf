"""Each service runs with its own code and its own requirements only."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.plan import ROOT
from stack.secrets_files import make_secrets
from stack.settings import SECRETS
from tests.system.support.raw_http import send_raw
from tests.system.support.running_stack import clean_environ, end

UV = shutil.which("uv")
pytestmark = pytest.mark.skipif(
    not UV and not os.environ.get("SALLYPORT_ISOLATION"), reason="slow without uv: make test-isolation"
)

MODULES_OF_OTHERS = {
    "gateway": ("flask_sqlalchemy", "nacl", "auth_service", "resource_service", "sallyport_service", "stack"),
    "auth_service": ("uvicorn", "httptools", "gateway", "resource_service", "sallyport_service", "stack"),
    "resource_service": ("flask_jwt_extended", "redis", "nacl", "gateway", "auth_service", "stack"),
}
"""Modules that the image of a service must not contain, by service."""

USED_PACKAGES = {"resource_service": ("sallyport_service",)}
"""What users can install from packages/, and a service uses."""


@dataclass(frozen=True, slots=True)
class Isolated:
    """A service with the contents of its image."""

    name: str
    folder: Path
    python: Path
    environ: Mapping[str, str]

    @property
    def socket(self) -> Path:
        """Return the path of the socket it listens on."""
        return self.folder / "s"

    def command(self, *arguments: str) -> list[str]:
        """Return a command line for its own Python."""
        return [str(self.python), *arguments]


@pytest.fixture(scope="module", params=sorted(MODULES_OF_OTHERS))
def isolated(request: pytest.FixtureRequest) -> Iterator[Isolated]:
    """A service that is copied and installed as in the Dockerfile; each test runs for each service."""
    name: str = request.param
    # In /tmp, because a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="isolated-", dir="/tmp") as folder_name:
        folder = Path(folder_name)
        for package in ("contract", "chassis", "doctor", name, *USED_PACKAGES.get(name, ())):
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        _install(folder / "venv", ROOT / "requirements" / f"{name}.txt")
        make_secrets(folder, SECRETS)
        yield Isolated(name, folder, folder / "venv" / "bin" / "python", _environ(folder))


def _install(venv: Path, requirements: Path) -> None:
    python = venv / "bin" / "python"
    if UV:
        commands = [
            [UV, "venv", "--quiet", "--python", sys.executable, str(venv)],
            [UV, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(requirements)],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(venv)],
            [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)],
        ]
    for command in commands:
        subprocess.run(command, check=True, env={**clean_environ(), "VIRTUAL_ENV": ""})


def _environ(folder: Path) -> dict[str, str]:
    environ = {name: value for name, value in clean_environ().items() if not name.startswith("PYTHON")}
    environ |= {f"{secret.setting}_FILE": str(folder / secret.file) for secret in SECRETS}
    return environ | {
        "AUTH_BIND": f"unix:{folder / 's'}",
        "AUTH_URL": f"unix:{folder / 'auth'}",
        "DATABASE_URL": f"sqlite:///{folder / 'own.db'}",
        "DATA_DIR": str(folder),
        "GATEWAY_BIND": f"unix:{folder / 's'}",
        "REDIS_URL": f"unix://{folder / 'redis'}",
        "RESOURCE_BIND": f"unix:{folder / 's'}",
        "RESOURCE_URL": f"unix:{folder / 'resource'}",
    }


@pytest.fixture
def server(isolated: Isolated) -> Iterator[Isolated]:
    """The service, started as its image starts it."""
    gunicorn = isolated.command("-m", "gunicorn", "-c", f"python:{isolated.name}.gunicorn_conf")
    if isolated.name != "gateway":
        migrate = isolated.command("-m", isolated.name, "migrate")
        subprocess.run(migrate, cwd=isolated.folder, env=isolated.environ, check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen(gunicorn, cwd=isolated.folder, env=isolated.environ)
    try:
        deadline = time.monotonic() + 30
        while not isolated.socket.exists():
            assert process.poll() is None, f"{isolated.name} did not start"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield isolated
    finally:
        end(process)


def test_a_service_runs_with_its_own_requirements(server: Isolated) -> None:
    assert send_raw(server.socket, "GET /healthz HTTP/1.1").status == 200


def test_an_image_has_no_modules_of_other_services(isolated: Isolated) -> None:
    search = "import sys; from importlib.util import find_spec; print([n for n in sys.argv[1:] if find_spec(n)])"
    command = isolated.command("-c", search, *MODULES_OF_OTHERS[isolated.name])
    assert subprocess.check_output(command, cwd=isolated.folder, env=isolated.environ, text=True) == "[]\n"


def test_doctor_checks_a_service_in_its_image(server: Isolated) -> None:
    """`docker compose exec SERVICE python -m doctor`: it checks this service, and lists what it cannot check here."""
    environ = {**server.environ, "GATEWAY_BIND": f"unix:{server.socket}"}
    command = server.command("-m", "doctor", "--json")
    result = subprocess.run(command, cwd=server.folder, env=environ, capture_output=True, text=True, check=False)
    report = json.loads(result.stdout)
    assert result.returncode in (0, 1), result.stderr
    assert not [each for each in report["not_checked"] if "the check failed" in each["reason"]]
    assert {"settings.invalid", "secrets.shared", "versions.packages"} <= set(report["checked"])
    of_others = {"gateway": "timeouts.tokens", "auth_service": "timeouts.routes", "resource_service": "mail.server"}
    assert of_others[server.name] in [each["check"] for each in report["not_checked"]]
