"""A Docker engine in a network namespace of its own, with its own data, sockets and configuration."""

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stack.plan import ROOT

_CLONE_NEWNET = 0x40000000
_PROGRAMS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "curl": "curl",
}
"""Needed programs, and the Debian packages that have them."""


def problem() -> str | None:
    """Return why no engine can run here, or None."""
    if os.geteuid() != 0:
        return "the Docker engine needs root"
    missing = sorted({package for program, package in _PROGRAMS.items() if not shutil.which(program)})
    return f"install the Debian packages {' '.join(missing)}" if missing else None


def enter_network_namespace() -> None:
    """Move this process into a new network namespace, so that an engine changes no interface or rule of the host.

    Raises OSError if the kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=30)


class Engine:
    """A running engine. `environ` makes the commands `docker` and `docker compose` use it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def docker(self, *words: str, timeout: float = 300) -> str:
        """Run `docker WORDS` and return what it prints. Fail with its output."""
        return self.run("docker", *words, timeout=timeout)

    def run(self, *command: str, timeout: float = 300, **settings: str) -> str:
        """Run a command in the folder of docker-compose.yml and return what it prints. Fail with its output."""
        result = subprocess.run(
            command, cwd=ROOT, env={**self.environ, **settings}, capture_output=True, text=True, timeout=timeout
        )
        assert result.returncode == 0, f"{' '.join(command)}:\n{(result.stdout + result.stderr)[-6000:]}"
        return result.stdout.strip()


@contextmanager
def running_engine(folder: Path, compose: Path) -> Iterator[Engine]:
    """Run an engine whose data is in `folder`, with the plugin `compose`. Raises OSError if it does not start."""
    plugins = folder / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(compose)
    socket = f"unix://{folder}/engine.sock"
    log = folder / "engine.log"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    engine = Engine(
        {
            **inherited,
            "DOCKER_HOST": socket,
            "DOCKER_CONFIG": str(folder / "config"),
            "DOCKER_BUILDKIT": "0",  # the builder in the engine: Debian has no package of the other one
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "COMPOSE_PROJECT_NAME": "deploy",
            "COMPOSE_PROGRESS": "plain",
        }
    )
    command = ["dockerd", "--host", socket, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--pidfile", f"{folder}/engine.pid"], stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_it_answers(engine, process, log)
        yield engine
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_it_answers(engine: Engine, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run(["docker", "version"], env=dict(engine.environ), capture_output=True, timeout=30).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise OSError(f"the Docker engine does not start: {log.read_text()[-500:]}")
        time.sleep(0.1)
