"""Start processes, detect when one dies, and stop all of them within a fixed time."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from stack.plan import ROOT, Command
from stack.processes.console import Console

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
STOP_SECONDS = 10.0
"""Time for all processes together to stop; those that still run are then killed."""
MIN_STOP_SECONDS = 1.0
"""Minimum time for each stage to stop, even if earlier ones have used up STOP_SECONDS.

Also the time in which the last output of an ended process is read.
"""


class ProcessDied(Exception):
    """A process ended unexpectedly or with an error. The message contains its name."""


class StopRequested(Exception):
    """The system received Ctrl-C or another signal to stop."""


@dataclass(frozen=True, slots=True)
class Child:
    """A started process, in its own process group."""

    name: str
    process: asyncio.subprocess.Process
    end: asyncio.Task[int]
    """Completes with the exit status when the process and its group have ended and their output is written."""

    def terminate(self) -> None:
        """Send SIGTERM to the process only: gunicorn stops its workers itself."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """Kill the process and its whole group."""
        _kill_group(self.process)


class Supervisor:
    """Runs the processes. Those that are started together form a stage.

    Each process inherits the file descriptor `lock`, so the lock is held until the last process has ended.
    """

    def __init__(self, console: Console, lock: int) -> None:
        self._console = console
        self._lock = lock
        self._stages: list[list[Child]] = []
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def handle_signals(self) -> None:
        """Stop the system on SIGINT, SIGTERM and SIGHUP."""
        loop = asyncio.get_running_loop()
        # nohup(1) ignores SIGHUP, and it must stay ignored.
        hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        for number in (signal.SIGINT, signal.SIGTERM, *hangup):
            loop.add_signal_handler(number, self._finish, StopRequested(number.name))

    async def keep_running(self, *commands: Command) -> None:
        """Start commands as one stage. `stop` ends the stages in reverse order."""
        for command, child in zip(commands, await self._start(commands), strict=True):
            child.end.add_done_callback(partial(self._on_death, command))

    async def keep_running_once_started(
        self, *stages: Sequence[Command], wait_until_started: Callable[[str], Awaitable[None]]
    ) -> None:
        """Start all stages at once. Raises ProcessDied if a process ends before it has started.

        `wait_until_started`, which gets the name of a process, returns when the process has started. The error is
        raised when all others have ended too or have started, so that each has reported what keeps it from starting.
        """
        commands = [command for stage in stages for command in stage]
        children = [child for stage in stages for child in await self._start(stage)]
        await asyncio.gather(*(_wait_until_started_or_ended(child, wait_until_started) for child in children))
        for child in children:
            if child.end.done():
                raise ProcessDied(f"{child.name} failed ({_describe(child.end.result())})")
        for command, child in zip(commands, children, strict=True):
            child.end.add_done_callback(partial(self._on_death, command))

    async def run_until_ended(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`. Cancel it and raise StopRequested or ProcessDied when the system has to stop."""
        task = asyncio.create_task(work)
        await asyncio.wait({task, self._end}, return_when=asyncio.FIRST_COMPLETED)
        if not self._end.done():
            return await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self._end.result()

    async def wait_for_end(self) -> NoReturn:
        """Wait until the system has to stop, and raise StopRequested or ProcessDied."""
        await self._end
        raise AssertionError("unreachable: the future only ever has an exception")

    async def stop(self) -> None:
        """Stop all processes, the last stage first. Kill those that still run after STOP_SECONDS in total."""
        self._end.cancel()
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        for stage in reversed(self._stages):
            left = deadline - asyncio.get_running_loop().time()
            await _stop_stage(stage, max(left, MIN_STOP_SECONDS))

    async def _start(self, commands: Iterable[Command]) -> list[Child]:
        stage: list[Child] = []
        self._stages.append(stage)
        for command in commands:
            stage.append(await self._spawn(command))
        return stage

    async def _spawn(self, command: Command) -> Child:
        # With a pipe of asyncio, process.wait() would wait until orphaned grandchildren close it.
        reading_end, writing_end = os.pipe()
        output = asyncio.create_task(self._console.relay(command.name, reading_end))
        try:
            process = await asyncio.create_subprocess_exec(
                *with_parent_death_signal(command.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing_end,
                stderr=asyncio.subprocess.STDOUT,
                env=command.environ,
                cwd=ROOT,
                pass_fds=(self._lock,),
                # A group of its own, so that Ctrl-C is sent to the stack only, which stops the processes in order.
                start_new_session=True,
            )
        finally:
            os.close(writing_end)
        return Child(command.name, process, asyncio.create_task(_wait_for_end(process, output)))

    def _on_death(self, command: Command, end: asyncio.Task[int]) -> None:
        log = f"; its log is {command.log}" if command.log else ""
        self._finish(ProcessDied(f"{command.name} ended by itself ({_describe(end.result())}{log})"))

    def _finish(self, reason: Exception) -> None:
        if not self._end.done():
            self._end.set_exception(reason)


async def _wait_until_started_or_ended(child: Child, wait_until_started: Callable[[str], Awaitable[None]]) -> None:
    started = asyncio.ensure_future(wait_until_started(child.name))
    await asyncio.wait({started, child.end}, return_when=asyncio.FIRST_COMPLETED)
    if started.done():
        started.result()
    started.cancel()


async def _stop_stage(stage: Iterable[Child], seconds: float) -> None:
    running = {child.end: child for child in stage if not child.end.done()}
    if not running:
        return
    for child in running.values():
        child.terminate()
    _, late = await asyncio.wait(running, timeout=seconds)
    for end in late:
        running[end].kill()
    await asyncio.wait(running)


async def _wait_for_end(process: asyncio.subprocess.Process, output: asyncio.Task[None]) -> int:
    """Wait until the process has ended, kill its group, and return the exit status once its output is written."""
    status = await process.wait()
    _kill_group(process)
    # With a timeout, because a process that left the group may still hold the pipe open.
    await asyncio.wait({output}, timeout=MIN_STOP_SECONDS)
    output.cancel()
    return status


def _kill_group(process: asyncio.subprocess.Process) -> None:
    # On macOS killpg fails with EPERM if only zombies are left in the group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def with_parent_death_signal(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return `argv` as a command whose process the kernel terminates when this process ends (Linux only)."""
    if sys.platform != "linux":
        return argv
    return (sys.executable, "-I", "-S", str(DIE_WITH_PARENT), str(os.getpid()), *argv)


def _describe(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
