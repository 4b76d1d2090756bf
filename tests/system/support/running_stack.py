"""A stack started with `python -m stack`, and a client with verbs for its API."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from stack.plan import ROOT
from tests import secrets_in_logs
from tests.ports import free_port

READY = "Sallyport is ready on "
PASSWORD = "quite a Long-ish passphrase 7"
SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Account:
    """A registered user."""

    id: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a log-in or a refresh."""

    access: str
    refresh: str


@dataclass(slots=True)
class Client:
    """A client of the gateway at `url`."""

    url: str
    http: requests.Session = field(default_factory=requests.Session, kw_only=True)

    def send(self, method: str, path: str, access: str = "", **parts: Any) -> requests.Response:
        """Send a request, with the access token if one is given."""
        headers = {**parts.pop("headers", {}), **({"Authorization": f"Bearer {access}"} if access else {})}
        self.http.trust_env = False
        return self.http.request(method, self.url + path, headers=headers, timeout=30, **parts)

    def register(self) -> Account:
        """Register a new user."""
        email = f"{uuid.uuid4().hex}@example.com"
        response = self.send("POST", "/auth/users/", json={"email": email, "password": PASSWORD})
        assert response.status_code == 201, response.text
        return Account(response.json()["id"], email, PASSWORD)

    def login(self, account: Account) -> Tokens:
        """Log in, and return the tokens of the new session."""
        response = self.send("POST", "/auth/jwt/create/", json={"email": account.email, "password": account.password})
        assert response.status_code == 200, response.text
        return Tokens(response.json()["access"], response.json()["refresh"])

    def try_refresh(self, refresh: str) -> requests.Response:
        """Refresh on a new connection, so that threads can call this in parallel; return the response."""
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{self.url}/auth/jwt/refresh/", json={"refresh": refresh}, timeout=30)

    def refresh(self, tokens: Tokens) -> Tokens:
        """Refresh, which must succeed, and return the new tokens."""
        response = self.try_refresh(tokens.refresh)
        assert response.status_code == 200, response.text
        return Tokens(response.json()["access"], response.json()["refresh"])

    def whoami(self, access: str, **parts: Any) -> requests.Response:
        """Request the identity that the resource service sees."""
        return self.send("GET", "/api/whoami", access, **parts)

    def add_note(self, access: str, title: str) -> str:
        """Create a note and return its path."""
        response = self.send("POST", "/api/notes/", access, json={"title": title})
        assert response.status_code == 201, response.text
        return f"/api/notes/{response.json()['id']}/"


@dataclass(slots=True)
class RunningStack(Client):
    """`python -m stack` in a process of its own; its output goes to `log`."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    environ: Mapping[str, str]
    log: Path
    ready_after: float = 0.0

    def output(self) -> str:
        """Return its output so far."""
        return self.log.read_text("utf-8", "replace")

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        """Wait until the stack is ready, and store the seconds in `ready_after`. Fail with its output."""
        started = time.monotonic()
        while READY not in self.output():
            assert self.process.poll() is None, f"the stack ended:\n{self.output()}"
            assert time.monotonic() - started < seconds, f"not ready:\n{self.output()}"
            time.sleep(0.05)
        self.ready_after = time.monotonic() - started

    def signal(self, number: int, seconds: float = 60.0) -> int:
        """Send the signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Stop the stack if it runs."""
        # The gateway would wait for an idle connection.
        self.http.close()
        end(self.process)
        secrets_in_logs.search(f"the log of the stack at {self.url}", self.output())

    def pids(self, name: str = "") -> set[int]:
        """Return the process ids of the stack, or of one service (`gateway`, `auth_service`, ...). Needs /proc."""
        found = descendants(self.process.pid)
        commands = (f"-m {name} serve", f"python:{name}.gunicorn_conf")
        return {pid for pid in found if not name or any(command in command_line(pid) for command in commands)}


@contextmanager
def run_stack(databases: Path | None = None, /, **settings: str) -> Iterator[RunningStack]:
    """Start a stack in a temporary folder and yield it when it is ready; stop it when the block ends.

    `databases` is a folder that becomes its data folder. Without one, the services migrate: 3 s of CPU time more.
    """
    with tempfile.TemporaryDirectory(prefix="sallyport-") as folder:
        if databases is not None:
            shutil.copytree(databases, Path(folder) / "data")
        stack = start_stack(Path(folder), **settings)
        try:
            stack.wait_until_ready()
            yield stack
        finally:
            stack.end()


def start_stack(folder: Path, **settings: str) -> RunningStack:
    """Start a stack without waiting until it is ready. The caller stops it. `folder` gets DATA_DIR and the log."""
    port = settings.get("GATEWAY_PORT", str(free_port()))
    environ = {
        **clean_environ(),
        "DATA_DIR": str(folder / "data"),
        "GATEWAY_PORT": port,
        "LOG_FORMAT": "json",
        "RATE_LIMITS": "off",
        **settings,
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "stack"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return RunningStack(f"http://127.0.0.1:{port}", process, Path(environ["DATA_DIR"]), environ, log)


def clean_environ() -> dict[str, str]:
    """Return this process's environment without Sallyport's settings, which would affect the tests."""
    settings = set(SETTING.findall((ROOT / ".env.example").read_text()))
    return {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in settings}


def end(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and SIGKILL after 20 seconds."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(20)
    finally:
        process.kill()


def descendants(pid: int) -> set[int]:
    """Return the process ids of children, grandchildren and so on, from /proc."""
    parents = {int(folder.name): _parent(folder) for folder in Path("/proc").glob("[0-9]*")}
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level}:
        found |= level
    return found


def command_line(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return _status(Path(f"/proc/{pid}"))[0] != "Z"
    except OSError:
        return False


def _parent(folder: Path) -> int:
    try:
        return int(_status(folder)[1])
    except OSError:
        return 0


def _status(folder: Path) -> list[str]:
    """Return the fields of /proc/PID/stat (proc(5)) from the state on; the name before it may contain anything."""
    return (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
