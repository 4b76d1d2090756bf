"""Starts processes, notices when one dies, and stops them all in bounded time, leaving none behind."""

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

from stack.console import Console
from stack.plan import ROOT, Command

TETHER = Path(__file__).with_name("tether.py")
STOP_SECONDS = 10.0
# What remains for a process whose turn to stop comes when the time is up, and for the last words of one that ended.
LAST_SECONDS = 1.0


class ProcessDied(Exception):
    """A process ended that should have gone on, or ended badly; its name is in the text."""


class StopAsked(Exception):
    """Ctrl-C, or a signal that means the same."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started, in a process group of its own."""

    name: str
    process: asyncio.subprocess.Process
    # Done, with the exit status, once the process is gone, what it left in its group too, and its output told.
    end: asyncio.Task[int]

    def ask_to_stop(self) -> None:
        """Asks the process alone: a gunicorn tells its workers itself."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """Ends it and whatever it started, at once."""
        _kill_group(self.process)


class Supervisor:
    """Owns the processes. `lock` is a descriptor each of them inherits: it is free when the last is gone."""

    def __init__(self, console: Console, lock: int) -> None:
        self._console = console
        self._lock = lock
        self._stages: list[list[Child]] = []
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heed_signals(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask the system to stop, instead of ending this process."""
        loop = asyncio.get_running_loop()
        # nohup(1) has SIGHUP ignored, and means it.
        hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        for number in (signal.SIGINT, signal.SIGTERM, *hangup):
            loop.add_signal_handler(number, self._finish, StopAsked(number.name))

    async def run_to_end(self, *commands: Command) -> None:
        """Runs them side by side. Raises ProcessDied naming one that failed."""
        children = await self._start(commands)
        await asyncio.wait([child.end for child in children])
        for child in children:
            if child.end.result():
                raise ProcessDied(f"{child.name} failed ({_describe(child.end.result())})")

    async def keep_running(self, *commands: Command) -> None:
        """Starts them as one stage: the stage started last is stopped first."""
        for command, child in zip(commands, await self._start(commands), strict=True):
            child.end.add_done_callback(partial(self._note_death, command))

    async def unless_ended(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work. Raises StopAsked or ProcessDied as soon as either comes to pass."""
        task = asyncio.create_task(work)
        await asyncio.wait({task, self._end}, return_when=asyncio.FIRST_COMPLETED)
        if not self._end.done():
            return await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self._end.result()

    async def until_ended(self) -> NoReturn:
        """Raises StopAsked or ProcessDied when either comes to pass; otherwise goes on for ever."""
        await self._end
        raise AssertionError("the end is always an exception")

    async def stop(self) -> None:
        """Stops all, the last stage first; what has not gone after ten seconds in all is killed."""
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
        # A pipe of our own: asyncio's would hold back the end of a process until those it left close theirs.
        reading_end, writing_end = os.pipe()
        output = asyncio.create_task(self._console.relay(command.name, reading_end))
        try:
            process = await asyncio.create_subprocess_exec(
                *tethered(command.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing_end,
                stderr=asyncio.subprocess.STDOUT,
                env=command.environ,
                cwd=ROOT,
                pass_fds=(self._lock,),
                # A group of its own: Ctrl-C in the terminal reaches the stack alone, which stops the rest in order.
                start_new_session=True,
            )
        finally:
            os.close(writing_end)
        return Child(command.name, process, asyncio.create_task(_follow(process, output)))

    def _note_death(self, command: Command, end: asyncio.Task[int]) -> None:
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
        child.ask_to_stop()
    _, late = await asyncio.wait(running, timeout=seconds)
    for end in late:
        running[end].kill()
    await asyncio.wait(running)


async def _follow(process: asyncio.subprocess.Process, output: asyncio.Task[None]) -> int:
    status = await process.wait()
    _kill_group(process)
    # Not for ever: a process that left the group may hold the pipe still.
    await asyncio.wait({output}, timeout=LAST_SECONDS)
    output.cancel()
    return status


def _kill_group(process: asyncio.subprocess.Process) -> None:
    # macOS answers with EPERM for a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def tethered(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The words that start a program which the kernel ends when this process dies: Linux only, else `argv`."""
    if sys.platform != "linux":
        return argv
    return (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *argv)


def _describe(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
