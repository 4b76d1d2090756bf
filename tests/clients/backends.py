"""The two servers that the clients use: a running stack, and Django with djoser and simplejwt."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.support.running_stack import Client, end, run_stack

ACCESS_LIFETIME = 3
"""Seconds."""
FORBIDDEN_PATH = "/auth/admin/users/"
"""A path that an ordinary user may not request."""

DJANGO = ROOT / ".venv-bench-django" / "bin" / "python"
DJANGO_PROJECT = Path(__file__).with_name("django_project")


@dataclass(frozen=True, slots=True)
class Backend:
    """A server with djoser's API at `url`."""

    name: str
    url: str


@contextmanager
def sallyport(**settings: str) -> Iterator[Backend]:
    """Run a stack whose access tokens are short-lived."""
    lifetimes = {"ACCESS_TOKEN_LIFETIME": str(ACCESS_LIFETIME), "ACCESS_TOKEN_LEEWAY": "0"}
    with run_stack(**lifetimes, **settings) as stack:
        yield Backend("Sallyport", stack.url)


def django_is_installed() -> bool:
    """Return whether `make bench-setup` created the environment of Django."""
    return DJANGO.exists()


@contextmanager
def django(folder: Path) -> Iterator[Backend]:
    """Run the Django project in `folder`, with four threads."""
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(DJANGO_PROJECT),
        "DJANGO_SETTINGS_MODULE": "settings",
        "PEER_DATABASE": str(folder / "django.db"),
        "PEER_SECRET": secrets.token_urlsafe(48),
        "PEER_ACCESS_LIFETIME": str(ACCESS_LIFETIME),
    }
    migrate = [str(DJANGO), "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    subprocess.run(migrate, env=environ, check=True, timeout=120)
    serve = ["-m", "gunicorn", "--workers", "2", "--threads", "4", "--no-control-socket", "-b", f"127.0.0.1:{port}"]
    with (folder / "django.log").open("wb") as log:
        command = [str(DJANGO), *serve, "django.core.wsgi:get_wsgi_application()"]
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    backend = Backend("Django", f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(backend, process)
        yield backend
    finally:
        end(process)


def _wait_until_ready(backend: Backend, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    client = Client(backend.url)
    while True:
        try:
            client.send("GET", "/auth/users/me/")
        except requests.ConnectionError:
            assert process.poll() is None, "Django has ended"
            assert time.monotonic() < deadline, "Django does not answer"
            time.sleep(0.1)
        else:
            client.http.close()
            return
