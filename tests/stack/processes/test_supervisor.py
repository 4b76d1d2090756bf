"""Starting, watching and stopping real, small processes."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stack.plan import Command
from stack.processes import supervisor as module
from stack.processes.console import Console
from stack.processes.supervisor import ProcessDied, StopRequested, Supervisor

Scene = Callable[[Supervisor], Awaitable[None]]

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


def command(name: str, program: str) -> Command:
    return Command(name, (sys.executable, "-c", program), {})


def play(scene: Scene) -> list[str]:
    """Run the scene, stop everything, and return the lines of the terminal."""
    seen = io.BytesIO()

    async def run() -> None:
        lock, writing_end = os.pipe()
        supervisor = Supervisor(Console(seen), lock)
        try:
            await scene(supervisor)
        finally:
            await supervisor.stop()
            os.close(lock)
            os.close(writing_end)

    asyncio.run(asyncio.wait_for(run(), 20))
    return seen.getvalue().decode().splitlines()


def test_output_is_prefixed_with_the_process_name() -> None:
    seen = play(lambda s: s.run_to_end(command("auth", 'print(\'{"a": 1}\'); print("b", end="")')))
    assert seen == ['auth     | {"a": 1}', "auth     | b"]


def test_a_line_may_be_longer_than_the_buffer() -> None:
    seen = play(lambda s: s.run_to_end(command("auth", "print('x' * 300_000)")))
    assert seen == ["auth     | " + "x" * 300_000]


def test_a_step_that_fails_is_named() -> None:
    with pytest.raises(ProcessDied, match=r"resource failed .exit status 3"):
        play(lambda s: s.run_to_end(command("auth", "pass"), command("resource", "raise SystemExit(3)")))


def test_a_process_that_dies_is_named() -> None:
    async def scene(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("auth", SLEEP))
        await supervisor.keep_running(command("gateway", "import os; os.kill(os.getpid(), 9)"))
        await supervisor.wait_for_end()

    with pytest.raises(ProcessDied, match=r"gateway ended by itself .SIGKILL"):
        play(scene)


def test_a_process_that_dies_and_logs_to_a_file_names_it() -> None:
    dying = replace(command("redis", "raise SystemExit(1)"), log=Path("/data/valkey.log"))

    async def scene(supervisor: Supervisor) -> None:
        await supervisor.keep_running(dying)
        await supervisor.wait_for_end()

    with pytest.raises(ProcessDied, match=r"redis ended by itself .exit status 1; its log is /data/valkey\.log"):
        play(scene)


def test_work_is_cancelled_when_a_process_dies() -> None:
    async def scene(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("auth", "raise SystemExit(2)"))
        await supervisor.run_until_ended(asyncio.sleep(60))

    with pytest.raises(ProcessDied, match=r"auth ended by itself .exit status 2"):
        play(scene)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_requests_a_stop(number: signal.Signals) -> None:
    async def scene(supervisor: Supervisor) -> None:
        supervisor.handle_signals()
        await supervisor.keep_running(command("auth", SLEEP))
        os.kill(os.getpid(), number)
        await supervisor.wait_for_end()

    with pytest.raises(StopRequested, match=number.name):
        play(scene)


def test_stages_are_stopped_in_reverse_order() -> None:
    farewell = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('bye')); " + SLEEP

    async def scene(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("redis", farewell))
        await supervisor.keep_running(command("auth", farewell))
        await supervisor.keep_running(command("gateway", farewell))
        await asyncio.sleep(1)

    seen = [line.split(" ", 1)[0] for line in play(scene) if line.endswith("bye")]
    assert seen == ["gateway", "auth", "redis"]


def test_a_process_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(module, "LAST_SECONDS", 0.2)

    async def scene(supervisor: Supervisor) -> None:
        await supervisor.keep_running(command("auth", DEAF))
        await asyncio.sleep(0.5)

    assert play(scene) == ["auth     | up"]


def test_orphans_of_a_process_are_killed_with_it() -> None:
    """Its output ends when the last writer closes the pipe, long before the child would have ended."""
    leaves_a_child = f"""
import os, sys
reading_end, writing_end = os.pipe()
if os.fork():
    os.read(reading_end, 1)
    sys.exit()
os.write(writing_end, b"x")
{SLEEP}
"""
    assert len(play(lambda s: s.run_to_end(command("auth", leaves_a_child)))) <= 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_processes_die_with_the_stack_even_if_it_is_killed() -> None:
    """The pipe that only the child process holds is closed when the child is gone."""
    stack = f"""
import subprocess, sys, time
from stack.processes.supervisor import dying_with_parent
subprocess.Popen(dying_with_parent((sys.executable, "-c", {SLEEP!r})))
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
        console.say("one")
        console.say("two")
