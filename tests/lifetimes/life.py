"""Plays one life with the Python client, and compares what happened with what must hold."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sallyport_client import FileStore
from stack.plan import ROOT
from tests.lifetimes.clients import VARIANTS, Process, ProcessEnded, Sending
from tests.lifetimes.network import Network
from tests.lifetimes.scenario import ACCESS_LIFETIME, REFRESH_GRACE, Life, Step

PASSWORD = "quite a Long-ish passphrase 7"
SETTLE_SECONDS = 90
SUCCESS = {"GET": 200, "POST": 201}
VICTIM = """
import sys
from sallyport_client import FileStore
from sallyport_client.requests import SallyportAuth
auth = SallyportAuth(sys.argv[1], FileStore(sys.argv[2]))
print("started", flush=True)
while auth.refresh():
    pass
"""


@dataclass
class Report:
    """What a life came to. `problems` is empty if everything held."""

    life: int
    problems: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    requests: int = 0
    unjudged: int = 0
    """What a busy machine delayed so long that tokens expired meanwhile, or the grace time of a spent one ended."""


def play(life: Life, url: str) -> Report:
    """Play a life against the gateway at `url`."""
    with tempfile.TemporaryDirectory(prefix="lifetime-") as folder:
        player = _Player(life, url, Path(folder) / "tokens.json")
        try:
            player.play()
        except Exception as error:  # noqa: BLE001 - any error is a finding of this life, and the others go on
            player.problem(f"{type(error).__name__}: {error}")
        finally:
            player.end()
        return player.report


class _Player:
    def __init__(self, life: Life, url: str, store: Path) -> None:
        self._life = life
        self._url = url
        self._store = store
        self._email = f"life-{life['life']}-{time.time_ns()}@example.com"
        self._network = Network()
        self._variant: type[Process] = VARIANTS[life["variant"] % len(VARIANTS)]
        self._processes: list[Process] = []
        self._sendings: list[Sending] = []
        self.report = Report(life["life"])
        self._note(self._variant.__name__)

    def play(self) -> None:
        first = self._start()
        first.auth.register(self._email, PASSWORD)
        self._processes = [first, *(self._start() for _ in range(1, self._life["processes"]))]
        for number, step in enumerate(self._life["steps"]):
            self._note(f"{number}: {step}")
            getattr(self, f"_do_{step['do'].replace('-', '_')}")(step)
            for index, process in enumerate(self._processes):
                if not process.auth.is_signed_in:
                    self.problem(f"process {index} was logged out by step {number}")
        self._leave_slow_refreshes_unjudged()
        self._compare_notes()
        self.report.requests = sum(self._network.sendings.values())

    def end(self) -> None:
        """Log out, so that no refresh in the background writes into the folder while it is removed."""
        for process in self._processes:
            process.auth.log_out()

    def problem(self, text: str) -> None:
        self.report.problems.append(text)
        self._note(f"PROBLEM {text}")

    def _leave_slow_refreshes_unjudged(self) -> None:
        """Withdraw the problems so far of a life in which a refresh was under way for longer than the grace time.

        Its token may have been spent that long ago when it arrived: the auth service then takes it for a stolen one.
        """
        if self._network.longest_refresh_seconds > REFRESH_GRACE:
            self.report.unjudged += len(self.report.problems)
            self.report.problems.clear()

    def _note(self, text: str) -> None:
        self.report.history.append(text)

    def _start(self) -> Process:
        return self._variant(self._url, self._store, self._network)

    def _do_requests(self, step: Step) -> None:
        sendings = [self._sending(request) for request in step["requests"]]
        self._network.plan_refreshes(step["refresh"])
        self._network.go_offline(step["offline"])
        groups = {number: [s for s in sendings if s.process == number] for number in range(len(self._processes))}
        threads = [
            threading.Thread(target=self._processes[number].send_all, args=(group,), daemon=True)
            for number, group in groups.items()
            if group
        ]
        deadline = time.monotonic() + SETTLE_SECONDS
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        self._network.plan_refreshes([])
        self._network.go_offline(0)
        for sending in sendings:
            self._judge(sending)

    def _sending(self, request: dict[str, Any]) -> Sending:
        title = f"note {len(self._sendings)}"
        sending = Sending(title, request["process"], request["method"], title)
        self._network.plan(sending.request_id, request["fault"], request["sending"])
        self._sendings.append(sending)
        return sending

    def _judge(self, sending: Sending) -> None:
        fault = self._network.played.get(sending.request_id)
        sent = f"{sending.method} of process {sending.process}, fault {fault}"
        self._note(f"  {sent}: {sending.outcome} ({sending.seconds:.1f} s)")
        expected: set[int | str]
        if fault in (None, "expired-token") or (fault == "unavailable" and sending.method == "GET"):
            is_right = sending.outcome == SUCCESS[sending.method]
        elif fault == "unavailable":
            is_right = sending.outcome == 503
        else:
            expected = {"did not end", 401}
            is_right = sending.outcome not in expected
        if not is_right and sending.outcome == 401 and sending.seconds > ACCESS_LIFETIME / 2:
            self.report.unjudged += 1
        elif not is_right:
            self.problem(
                f"{sending.request_id}: {sending.method} with the fault {fault} ended with {sending.outcome}"
            )

    def _do_wait(self, step: Step) -> None:
        time.sleep(step["seconds"])

    def _do_clock(self, step: Step) -> None:
        self._processes[step["process"]].clock.offset += step["seconds"]

    def _do_restart(self, step: Step) -> None:
        self._processes[step["process"]] = self._start()

    def _do_die(self, step: Step) -> None:
        process = self._processes[step["process"]]
        process.store.ends_at_byte = step["byte"]
        try:
            process.auth.refresh()
        except ProcessEnded:
            self._do_restart(step)
            return
        # Another process had refreshed, and this one only took that over.
        process.store.ends_at_byte = False

    def _do_kill(self, step: Step) -> None:
        command = [sys.executable, "-c", VICTIM, self._url, str(self._store)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as victim:
            assert victim.stdout
            victim.stdout.readline()
            time.sleep(step["after"])
            victim.send_signal(signal.SIGKILL)
        self._do_restart(step)

    def _do_log_out(self, step: Step) -> None:
        process = self._processes[step["process"]]
        if not process.auth.log_out():
            self.problem("the log-out was not confirmed")
        if process.auth.is_signed_in or FileStore(self._store).load() is not None:
            self.problem("tokens are left after a log-out")
        self._log_in_again(process)

    def _do_end(self, step: Step) -> None:
        tokens = FileStore(self._store).load()
        assert tokens
        self._post("/auth/jwt/blacklist/", {"refresh": tokens.refresh})
        for process in self._processes:
            # The first one may have taken over what another process had stored, without a request.
            if process.auth.refresh() and process.auth.refresh():
                self.problem("a process goes on after its session was ended")
        self._log_in_again(self._processes[0])

    def _log_in_again(self, process: Process) -> None:
        process.auth.log_in(self._email, PASSWORD)
        for other in self._processes:
            if not other.auth.is_signed_in and not other.auth.refresh():
                self.problem("a process did not take over the new session")

    def _compare_notes(self) -> None:
        created = self._created_notes()
        for sending in self._sendings:
            if sending.method != "POST":
                continue
            count = created.count(sending.title)
            fault = self._network.played.get(sending.request_id)
            if count > 1:
                self.problem(f"{sending.title} exists {count} times")
            if sending.outcome == 201 and count != 1:
                self.problem(f"{sending.title} was created, and does not exist")
            if fault in ("unsent", "unavailable") and count:
                self.problem(f"{sending.title} exists, although nothing was done")

    def _created_notes(self) -> list[str]:
        """Return the titles of all notes, read with a session of its own."""
        access = self._post("/auth/jwt/create/", {"email": self._email, "password": PASSWORD})["access"]
        headers = {"Authorization": f"Bearer {access}"}
        response = requests.get(f"{self._url}/api/notes/?page_size=100", headers=headers, timeout=30)
        response.raise_for_status()
        document = response.json()
        assert document["count"] == len(document["results"])
        return [note["title"] for note in document["results"]]

    def _post(self, path: str, document: dict[str, str]) -> Any:
        response = requests.post(f"{self._url}{path}", json=document, timeout=30)
        response.raise_for_status()
        return response.json()
