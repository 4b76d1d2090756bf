"""A real stack, started as a person starts it, and the verbs to drive it over HTTP."""

import os
import re
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
from tests.ports import free_port

READY = "Sallyport is ready on "
PASSWORD = "quite a Long-ish passphrase 7"
SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who registered."""

    id: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login or a refresh handed out."""

    access: str
    refresh: str


@dataclass(slots=True)
class Client:
    """The verbs, for the gateway at `url`."""

    url: str
    http: requests.Session = field(default_factory=requests.Session, kw_only=True)

    def send(self, method: str, path: str, access: str = "", **parts: Any) -> requests.Response:
        """A request, with the access token where one is given."""
        headers = {**parts.pop("headers", {}), **({"Authorization": f"Bearer {access}"} if access else {})}
        self.http.trust_env = False
        return self.http.request(method, self.url + path, headers=headers, timeout=30, **parts)

    def register(self) -> Account:
        """Somebody new."""
        email = f"{uuid.uuid4().hex}@example.com"
        answer = self.send("POST", "/auth/users/", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return Account(answer.json()["id"], email, PASSWORD)

    def login(self, account: Account) -> Tokens:
        """A session of its own."""
        answer = self.send("POST", "/auth/jwt/create/", json={"email": account.email, "password": account.password})
        assert answer.status_code == 200, answer.text
        return Tokens(answer.json()["access"], answer.json()["refresh"])

    def try_refresh(self, refresh: str) -> requests.Response:
        """Whatever comes of it; a connection of its own, for callers that come in parallel."""
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{self.url}/auth/jwt/refresh/", json={"refresh": refresh}, timeout=30)

    def refresh(self, tokens: Tokens) -> Tokens:
        """Must succeed."""
        answer = self.try_refresh(tokens.refresh)
        assert answer.status_code == 200, answer.text
        return Tokens(answer.json()["access"], answer.json()["refresh"])

    def whoami(self, access: str, **parts: Any) -> requests.Response:
        """What the resource service believes."""
        return self.send("GET", "/api/whoami", access, **parts)

    def add_note(self, access: str, title: str) -> str:
        """Returns its path."""
        answer = self.send("POST", "/api/notes/", access, json={"title": title})
        assert answer.status_code == 201, answer.text
        return f"/api/notes/{answer.json()['id']}/"


@dataclass(slots=True)
class RunningStack(Client):
    """`python -m stack` in a process of its own; what it says goes to `log`."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    environ: Mapping[str, str]
    log: Path
    ready_after: float = 0.0

    def said(self) -> str:
        """Everything so far."""
        return self.log.read_text("utf-8", "replace")

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Notes the seconds it took. Fails with what the stack said."""
        started = time.monotonic()
        while READY not in self.said():
            assert self.process.poll() is None, f"the stack ended:\n{self.said()}"
            assert time.monotonic() - started < seconds, f"not ready:\n{self.said()}"
            time.sleep(0.05)
        self.ready_after = time.monotonic() - started

    def signal(self, number: int, seconds: float = 20.0) -> int:
        """Sends the signal and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Whatever state it is in."""
        # An idle connection would be waited for.
        self.http.close()
        end(self.process)

    def pids(self, name: str = "") -> set[int]:
        """The processes of the stack, or those a service runs in (`gateway`, `auth_service`, ...). Needs /proc."""
        found = descendants(self.process.pid)
        return {pid for pid in found if not name or f"python:{name}.gunicorn_conf" in command_line(pid)}


@contextmanager
def run_stack(**settings: str) -> Iterator[RunningStack]:
    """A stack of one's own, ready; afterwards it is stopped and its folder is gone."""
    with tempfile.TemporaryDirectory(prefix="sallyport-") as folder:
        stack = start_stack(Path(folder), **settings)
        try:
            stack.wait_until_ready()
            yield stack
        finally:
            stack.end()


def start_stack(folder: Path, **settings: str) -> RunningStack:
    """Started, perhaps not ready yet: the caller ends it. The folder holds DATA_DIR and the log."""
    port = settings.get("GATEWAY_PORT", str(free_port()))
    environ = {
        **clean_environ(),
        "DATA_DIR": str(folder / "data"),
        "GATEWAY_PORT": port,
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
    """The environment without settings of ours: none may leak in from the machine the tests run on."""
    ours = set(SETTING.findall((ROOT / ".env.example").read_text()))
    return {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks it to stop, and insists."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(20)
    finally:
        process.kill()


def descendants(pid: int) -> set[int]:
    """Children, grandchildren and so on, by /proc."""
    parents = {int(folder.name): _parent(folder) for folder in Path("/proc").glob("[0-9]*")}
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level}:
        found |= level
    return found


def command_line(pid: int) -> str:
    """Its words; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether it lives; one that only waits to be buried does not."""
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
    """State, parent and what follows them in proc(5)'s stat; the name before them may hold anything."""
    return (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
