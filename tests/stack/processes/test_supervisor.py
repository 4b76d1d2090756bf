"""Real processes are started, watched and stopped, and none is left running."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from stack.plan import Command
from stack.processes import supervisor as module
from stack.processes.console import Console
from stack.processes.supervisor import ProcessDied, StopRequested, Supervisor

Scenario = Callable[[Supervisor], Awaitable[None]]

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


def command(name: str, program: str) -> Command:
    return Command(name, (sys.executable, "-c", program), {})


def run_scenario(scenario: Scenario, output: io.BytesIO | None = None) -> list[str]:
    """Run the scenario, stop all processes, and return the lines of the terminal, which are written to `output`."""
    output = output or io.BytesIO()

    async def run() -> None:
        lock, writing_end = os.pipe()  # any open file will do as the lock that processes inherit
        supervisor = Supervisor(Console(output), lock)
        try:
            await scenario(supervisor)
        finally:
            await supervisor.stop()
            os.close(lock)
            os.close(writing_end)

    asyncio.run(asyncio.wait_for(run(), 60))
    return output.getvalue().decode().splitlines()


def run_to_end(*commands: Command) -> list[str]:
    """Run the commands until all have ended, and return the lines of the terminal."""

    async def scenario(supervisor: Supervisor) -> None:
        with suppress(ProcessDied):
            await supervisor.keep_running_once_started(commands, wait_until_started=never_started)

    return run_scenario(scenario)


async def until_up(output: io.BytesIO, processes: int) -> None:
    """Wait until so many processes have printed that they are up."""
    while output.getvalue().count(b"| up") < processes:  # noqa: ASYNC110 - the output has no event
        await asyncio.sleep(0.01)


async def never_started(name: str) -> None:
    """Wait for longer than any scenario takes."""
    await asyncio.sleep(120)


async def started_at_once(name: str) -> None:
    """Return, because the process `name` counts as started."""


def test_output_is_prefixed_with_the_process_name() -> None:
    seen = run_to_end(command("auth", 'print(\'{"a": 1}\'); print("b", end="")'))
    assert seen == ['auth     | {"a": 1}', "auth     | b"]


def test_a_line_may_be_longer_than_the_buffer() -> None:
    assert run_to_end(command("auth", "print('x' * 300_000)")) == ["auth     | " + "x" * 300_000]


def test_all_processes_report_why_they_do_not_start() -> None:
    """The error comes when no process is starting any longer; it has the name of one that failed."""
    exits_late = "import time; time.sleep(0.5); print('late', flush=True); raise SystemExit(2)"

    async def is_started(name: str) -> None:
        if name != "gateway":
            await never_started(name)

    async def scenario(supervisor: Supervisor) -> None:
        stages = (
            [command("auth", "raise SystemExit(3)"), command("resource", exits_late)],
            [command("gateway", SLEEP)],
        )
        with pytest.raises(ProcessDied, match=r"auth failed .exit status 3"):
            await supervisor.keep_running_once_started(*stages, wait_until_started=is_started)

    assert "resource | late" in run_scenario(scenario)


def test_a_started_process_that_dies_is_reported_by_name() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        dies = command("auth", "import time; time.sleep(0.5); raise SystemExit(4)")
        await supervisor.keep_running_once_started([dies], wait_until_started=started_at_once)
        await supervisor.wait_for_end()

    with pytest.raises(ProcessDied, match=r"auth ended by itself .exit status 4"):
        run_scenario(scenario)


def test_a_process_that_dies_is_reported_by_name() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("auth", SLEEP))
        await supervisor.keep_running(command("gateway", "import os; os.kill(os.getpid(), 9)"))
        await supervisor.wait_for_end()

    with pytest.raises(ProcessDied, match=r"gateway ended by itself .SIGKILL"):
        run_scenario(scenario)


def test_the_report_of_a_process_that_dies_contains_its_log_file() -> None:
    dying = replace(command("redis", "raise SystemExit(1)"), log=Path("/data/valkey.log"))

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.keep_running(dying)
        await supervisor.wait_for_end()

    with pytest.raises(ProcessDied, match=r"redis ended by itself .exit status 1; its log is /data/valkey\.log"):
        run_scenario(scenario)


def test_work_is_cancelled_when_a_process_dies() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("auth", "raise SystemExit(2)"))
        await supervisor.run_until_ended(asyncio.sleep(60))

    with pytest.raises(ProcessDied, match=r"auth ended by itself .exit status 2"):
        run_scenario(scenario)


@contextmanager
def reaction_to(number: signal.Signals, handler: signal.Handlers) -> Iterator[None]:
    """Give a signal this handler until the block ends."""
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_requests_a_stop(number: signal.Signals) -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.handle_signals()
        await supervisor.keep_running(command("auth", SLEEP))
        os.kill(os.getpid(), number)
        await supervisor.wait_for_end()

    # SIG_DFL: under nohup(1), this process ignores SIGHUP.
    with reaction_to(number, signal.SIG_DFL), pytest.raises(StopRequested, match=number.name):
        run_scenario(scenario)


def test_a_hangup_is_ignored_under_nohup() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.handle_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        await supervisor.wait_for_end()

    with reaction_to(signal.SIGHUP, signal.SIG_IGN), pytest.raises(StopRequested, match="SIGTERM"):
        run_scenario(scenario)


def test_stages_are_stopped_in_reverse_order() -> None:
    exits_with_bye = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('bye')); " + SLEEP

    output = io.BytesIO()

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("redis", exits_with_bye))
        await supervisor.keep_running(command("auth", exits_with_bye))
        await supervisor.keep_running(command("gateway", exits_with_bye))
        await until_up(output, 3)

    seen = [line.split(" ", 1)[0] for line in run_scenario(scenario, output) if line.endswith("bye")]
    assert seen == ["gateway", "auth", "redis"]


def test_a_process_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(module, "MIN_STOP_SECONDS", 0.2)

    output = io.BytesIO()

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("auth", IGNORES_SIGTERM))
        await until_up(output, 1)

    assert run_scenario(scenario, output) == ["auth     | up"]


def test_children_that_a_process_leaves_are_killed() -> None:
    """The stack reads the output until the last writer closes the pipe, so a living child would delay the end."""
    leaves_a_child = f"""
import os, sys
reading_end, writing_end = os.pipe()
if os.fork():
    os.read(reading_end, 1)
    sys.exit()
os.write(writing_end, b"x")
{SLEEP}
"""
    assert len(run_to_end(command("auth", leaves_a_child))) <= 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_processes_end_with_the_stack_even_if_the_stack_is_killed() -> None:
    """The child alone holds the pipe, so the pipe is closed when the child has ended."""
    stack = f"""
import subprocess, sys, time
from stack.processes.supervisor import with_parent_death_signal
subprocess.Popen(with_parent_death_signal((sys.executable, "-c", {SLEEP!r})))
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", stack], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
        started = time.monotonic()
        assert process.stdout.read() == b""
        assert time.monotonic() - started < 10


def test_a_console_without_a_reader_stops_writing() -> None:
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    with open(writing_end, "wb", buffering=0) as closed:
        console = Console(closed)
        console.write_message("one")
        console.write_message("two")
