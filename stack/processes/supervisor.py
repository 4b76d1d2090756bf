"""Start processes, detect when one dies, and stop all in bounded time, leaving none behind."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from stack.plan import ROOT, Command
from stack.processes.console import Console

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
STOP_SECONDS = 10.0
# The least time for a process to stop when STOP_SECONDS are over, and for reading the last output of an ended one.
LAST_SECONDS = 1.0


class ProcessDied(Exception):
    """A process ended that should run, or ended with an error. The message names it."""


class StopRequested(Exception):
    """Ctrl-C or another signal asked the system to stop."""


@dataclass(frozen=True, slots=True)
class Child:
    """A started process, in its own process group."""

    name: str
    process: asyncio.subprocess.Process
    # Completes with the exit status after the process and its group have ended and their output is written.
    end: asyncio.Task[int]

    def terminate(self) -> None:
        """Send SIGTERM to the process only: gunicorn stops its workers itself."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """Kill the process and its whole group."""
        _kill_group(self.process)


class Supervisor:
    """Runs the processes. Each inherits the descriptor `lock`, which is released when the last has ended."""

    def __init__(self, console: Console, lock: int) -> None:
        self._console = console
        self._lock = lock
        self._stages: list[list[Child]] = []
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def handle_signals(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP stop the system in order."""
        loop = asyncio.get_running_loop()
        # Under nohup(1) SIGHUP is ignored, and stays ignored.
        hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        for number in (signal.SIGINT, signal.SIGTERM, *hangup):
            loop.add_signal_handler(number, self._finish, StopRequested(number.name))

    async def run_to_end(self, *commands: Command) -> None:
        """Run commands in parallel until all end. Raises ProcessDied, which names one that failed."""
        children = await self._start(commands)
        await asyncio.wait([child.end for child in children])
        for child in children:
            if child.end.result():
                raise ProcessDied(f"{child.name} failed ({_describe(child.end.result())})")

    async def keep_running(self, *commands: Command) -> None:
        """Start commands as one stage. Stages are stopped in reverse order."""
        for command, child in zip(commands, await self._start(commands), strict=True):
            child.end.add_done_callback(partial(self._on_death, command))

    async def run_until_ended(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`. Raises StopRequested or ProcessDied as soon as either happens."""
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
        raise AssertionError("the end is always an exception")

    async def stop(self) -> None:
        """Stop all processes, the last stage first. Kill those that still run after STOP_SECONDS in all."""
        self._end.cancel()
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        for stage in reversed(self._stages):
            left = deadline - asyncio.get_running_loop().time()
            await _stop(stage, max(left, LAST_SECONDS))

    async def _start(self, commands: Iterable[Command]) -> list[Child]:
        stage: list[Child] = []
        self._stages.append(stage)
        for command in commands:
            stage.append(await self._spawn(command))
        return stage

    async def _spawn(self, command: Command) -> Child:
        # With asyncio's own pipe, wait() would block until orphaned grandchildren close it.
        reading_end, writing_end = os.pipe()
        output = asyncio.create_task(self._console.relay(command.name, reading_end))
        try:
            process = await asyncio.create_subprocess_exec(
                *dying_with_parent(command.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing_end,
                stderr=asyncio.subprocess.STDOUT,
                env=command.environ,
                cwd=ROOT,
                pass_fds=(self._lock,),
                # Its own group, so that Ctrl-C reaches only the stack, which stops the processes in order.
                start_new_session=True,
            )
        finally:
            os.close(writing_end)
        return Child(command.name, process, asyncio.create_task(_follow(process, output)))

    def _on_death(self, command: Command, end: asyncio.Task[int]) -> None:
        log = f"; its log is {command.log}" if command.log else ""
        self._finish(ProcessDied(f"{command.name} ended by itself ({_describe(end.result())}{log})"))

    def _finish(self, reason: Exception) -> None:
        if not self._end.done():
            self._end.set_exception(reason)


async def _stop(stage: Iterable[Child], seconds: float) -> None:
    running = {child.end: child for child in stage if not child.end.done()}
    if not running:
        return
    for child in running.values():
        child.terminate()
    _, late = await asyncio.wait(running, timeout=seconds)
    for end in late:
        running[end].kill()
    await asyncio.wait(running)


async def _follow(process: asyncio.subprocess.Process, output: asyncio.Task[None]) -> int:
    status = await process.wait()
    _kill_group(process)
    # With a timeout: a process that left the group may still hold the pipe.
    await asyncio.wait({output}, timeout=LAST_SECONDS)
    output.cancel()
    return status


def _kill_group(process: asyncio.subprocess.Process) -> None:
    # macOS returns EPERM if only zombies are left in the group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def dying_with_parent(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command whose process the kernel ends when this process dies. Outside Linux: `argv` itself."""
    if sys.platform != "linux":
        return argv
    return (sys.executable, "-I", "-S", str(DIE_WITH_PARENT), str(os.getpid()), *argv)


def _describe(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
