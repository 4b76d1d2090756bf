"""A Django project with djoser that runs in an environment of its own: its server, its database and its clients."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.support.running_stack import Client, end

PYTHON = ROOT / ".venv-migration" / "bin" / "python"
FOLDER = Path(__file__).with_name("django_project")
SECRET = "django-insecure-7x=k2&w!q5j^0v#t9@mz$e4r+bn6h*ly(8u3c_d1pgf)ao-is%w"
PASSWORD = "Tr0ub4dor&3x"


@dataclass(frozen=True, slots=True)
class DjangoProject:
    """A project with a database. `user_model` is the setting AUTH_USER_MODEL."""

    database: str
    user_model: str = "auth.User"
    rotates: bool = True

    def run(self, program: str) -> str:
        """Run a program in the project, after `django.setup()`; return what it prints."""
        setup = "import django; django.setup()\n"
        done = subprocess.run(
            [str(PYTHON), "-c", setup + program], env=self.environ, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create_tables(self) -> None:
        """Create the tables."""
        self.run(
            "from django.core.management import call_command; call_command('migrate', verbosity=0, run_syncdb=True)"
        )

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Client]:
        """Run the server, and yield a client of it."""
        port = free_port()
        options = ["--workers", "1", "--threads", "4", "--no-control-socket", "-b", f"127.0.0.1:{port}"]
        command = [str(PYTHON), "-m", "gunicorn", *options, "django.core.wsgi:get_wsgi_application()"]
        with (folder / "django.log").open("wb") as log:
            process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        client = Client(f"http://127.0.0.1:{port}")
        try:
            _wait_until_ready(client, process)
            yield client
        finally:
            client.http.close()
            end(process)

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(FOLDER),
            "DJANGO_SETTINGS_MODULE": "settings",
            "PROJECT_SECRET": SECRET,
            "PROJECT_DATABASE": self.database,
            "PROJECT_USER_MODEL": self.user_model,
            "PROJECT_ROTATES": "1" if self.rotates else "0",
        }


def _wait_until_ready(client: Client, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.send("GET", "/auth/users/me/")
            return
        except requests.ConnectionError:
            assert process.poll() is None, "Django has ended"
            assert time.monotonic() < deadline, "Django does not answer"
            time.sleep(0.1)
