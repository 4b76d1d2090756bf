"""Stand-ins for the base images of docker-compose.yml and the Dockerfile, made from Debian packages.

A registry of images is not needed. The stand-ins are of Debian's versions: Python 3.11 instead of 3.14, PostgreSQL 15
instead of 17, Redis 7.0 instead of Valkey 8, HAProxy 2.6 instead of 3.0.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stack.plan import ROOT

IMAGES = {
    "python": "python:3.14-slim",
    "postgres": "postgres:17",
    "valkey": "valkey/valkey:8",
    "haproxy": "haproxy:3.0-alpine",
}
"""The folders in stand_ins/, and the images that they stand for."""

CACHE = ROOT / "build" / "stand-ins"
"""What is made once: a Debian system and the wheels of the services."""

SUITE = "bookworm"
PYTHON = "3.11"
"""The Python version of SUITE."""
PACKAGES = ("python3", "postgresql", "redis-server", "haproxy", "busybox", "ca-certificates")
REQUIREMENTS = tuple(f"requirements/{name}.txt" for name in ("gateway", "auth_service", "resource_service"))
_STAND_INS = Path(__file__).parent / "stand_ins"


def prepare() -> None:
    """Make the Debian system and download the wheels, if the cache has not got them. Needs root and the network."""
    _once(_system(), _make_system)
    _once(_wheels(), _download_wheels)


def build(docker: Callable[..., str], folder: Path) -> None:
    """Import the Debian system into the engine and build the stand-ins in `folder`. Needs no network."""
    if not docker("image", "ls", "--quiet", "stand-in"):
        docker("import", str(_system()), "stand-in")
    for name, image in IMAGES.items():
        context = folder / name
        shutil.copytree(_STAND_INS / name, context)
        if name == "python":
            shutil.copytree(_wheels(), context / "wheels")
        docker("build", "--quiet", "--tag", image, str(context))


def _once(path: Path, make: Callable[[Path], None]) -> None:
    """Make `path` unless it exists. An interrupted attempt leaves nothing under this name."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{path.name.split('-')[0]}-*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    attempt = path.parent / f"attempt-{path.name}"
    make(attempt)
    attempt.rename(path)


def _system() -> Path:
    return CACHE / f"system-{_digest(SUITE, *PACKAGES)}.tar"


def _wheels() -> Path:
    return CACHE / f"wheels-{_digest(PYTHON, *(_pinned(name) for name in REQUIREMENTS))}"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _make_system(path: Path) -> None:
    root = path.with_suffix(".folder")
    shutil.rmtree(root, ignore_errors=True)
    _run("debootstrap", "--variant=minbase", SUITE, str(root))
    # No server starts when it is installed, and no cluster is created.
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    (root / "etc/postgresql-common").mkdir()
    (root / "etc/postgresql-common/createcluster.conf").write_text("create_main_cluster = false\n")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    _run("chroot", str(root), "apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)
    _run("chroot", str(root), "sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /etc/resolv.conf")
    _run(
        "tar", "-C", str(root), "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*", "-cf", str(path), "."
    )
    shutil.rmtree(root)


def _download_wheels(path: Path) -> None:
    """Download the locked wheels, whatever their environment markers say: those are of another Python."""
    shutil.rmtree(path, ignore_errors=True)
    pinned = path.with_suffix(".txt")
    pinned.write_text("\n".join(sorted({line for name in REQUIREMENTS for line in _pinned(name).splitlines()})))
    options = ["--quiet", "--dest", str(path), "--only-binary=:all:", "--no-deps", "--python-version", PYTHON]
    for platform in ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014"):
        options += ["--platform", f"{platform}_{_machine()}"]
    _run(sys.executable, "-m", "pip", "download", *options, "--requirement", str(pinned))
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(path), "--no-deps", "pip")
    pinned.unlink()


def _pinned(name: str) -> str:
    """Return the lines `package==version` of a lock file."""
    return "\n".join(re.findall(r"^[A-Za-z0-9_.\[\]-]+==[^ ;\\]+", (ROOT / name).read_text(), re.MULTILINE))


def _machine() -> str:
    return subprocess.run(["uname", "-m"], check=True, capture_output=True, text=True).stdout.strip()


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, f"{command[0]} failed:\n{(result.stdout + result.stderr)[-2000:]}"
