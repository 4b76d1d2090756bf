"""A running stack with short-lived access tokens, and the Node packages of the clients."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clients.backends import Backend, sallyport
from tests.clients.client_process import FOLDER

NUXT = FOLDER / "nuxt_auth"


@pytest.fixture(scope="session")
def node_packages() -> None:
    """Install the libraries, if that was not done yet."""
    with _one_at_a_time():
        _install(FOLDER)


@pytest.fixture(scope="session")
def nuxt_app() -> None:
    """Build the Nuxt app, if its sources have changed since the last time."""
    sources = [NUXT / "package-lock.json", NUXT / "nuxt.config.ts", *sorted((NUXT / "app").rglob("*.vue"))]
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    built_from = NUXT / ".output" / "sources.sha256"
    with _one_at_a_time():
        _install(NUXT)
        if not built_from.exists() or built_from.read_text() != digest:
            _run(NUXT, "npx", "nuxi", "build")
            built_from.write_text(digest)


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """A running stack."""
    with sallyport() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest, node_packages: None) -> Path:
    """The folder of the browsers' storages and of the clients' logs. The client of the test is installed."""
    if hasattr(request.node, "callspec") and request.node.callspec.params.get("name") == "nuxt-auth":
        request.getfixturevalue("nuxt_app")
    return tmp_path


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait for other workers of pytest-xdist that install or build."""
    name = sha256(str(FOLDER).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"sallyport-clients-{name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def _install(folder: Path) -> None:
    assert shutil.which("npm"), "Node 20 or newer, with npm, is not installed"
    if not (folder / "node_modules").exists():
        _run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
