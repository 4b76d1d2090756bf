"""Django with djoser and simplejwt in its own environment: the stack whose API the auth service implements.

Refresh tokens rotate and used ones are blacklisted, as the manuals show; two workers of eight threads and SQLite in
WAL mode, as the auth service has.
"""

import os
import subprocess
from pathlib import Path

from stack.plan import ROOT
from tests.load.measuring.processes import NotServing, Process, Processes

FOLDER = Path(__file__).parent
PYTHON = ROOT / ".venv-bench-django" / "bin" / "python"


def unavailable() -> str:
    """Return why it cannot run here; empty if it can."""
    return "" if PYTHON.exists() else "its environment .venv-bench-django could not be created"


def prepare(folder: Path, sessions: int) -> list[str]:
    """Create a database in the folder; return the refresh tokens of `sessions` sessions of one user."""
    arguments = [str(PYTHON), str(FOLDER / "seed.py"), str(sessions)]
    done = subprocess.run(arguments, env=_environ(folder), capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise NotServing(f"Django's database could not be created:\n{done.stderr[-2000:]}")
    return done.stdout.split()


def start(processes: Processes, folder: Path, port: int) -> Process:
    """Start it under gunicorn."""
    arguments = ["-m", "gunicorn", "--workers", "2", "--threads", "8", "--keep-alive", "75", "--no-control-socket"]
    argv = [str(PYTHON), *arguments, "-b", f"127.0.0.1:{port}", "django.core.wsgi:get_wsgi_application()"]
    return processes.start("django", argv, **_environ(folder))


def _environ(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(FOLDER),
        "DJANGO_SETTINGS_MODULE": "settings",
        "PEER_DATABASE": str(folder / "django.db"),
        "PEER_SECRET": "measured-and-thrown-away-" + "x" * 40,
    }
