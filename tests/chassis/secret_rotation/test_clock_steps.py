"""The system clock is set while a secret is replaced: nothing signs before it is published, nothing retires early."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chassis.secret_rotation.rotation import Uptime, Waits
from chassis.secret_rotation.rotator import Target, advance
from chassis.secret_rotation.secret_file import COMPLETION_SECONDS, SecretFile
from chassis.secret_rotation.uptime import system_uptime
from contract.secret_list import split_secrets
from tests.clocks import MovableClock

OLD = "0123456789abcdef" * 4
PUBLISHED, SIGNING = 420, 7_000
HOUR = 3_600.0


@dataclass
class Machine:
    """A machine on which commands run by a timer. `set_clock` moves its clock, `run_for` lets real time pass."""

    path: Path
    clock: MovableClock = field(default_factory=MovableClock)
    boot: str = "11111111-2222-3333-4444-555555555555"
    up: float = 1_000.0
    tokens_expire_at: float | None = None

    def run_for(self, seconds: float) -> None:
        self.clock.move(seconds)
        self.up += seconds

    def set_clock(self, seconds: float) -> None:
        self.clock.move(seconds)

    def reboot(self) -> None:
        self.boot, self.up = self.boot[::-1], 0.0

    def rotate(self) -> str:
        """Make the next step if it is due, and return what was done."""
        return advance(self.target(), self.clock(), begins=True).done

    def target(self) -> Target:
        def waits(_: object) -> Waits:
            return Waits(PUBLISHED, SIGNING, self.tokens_expire_at)

        return Target("peer", SecretFile(self.path), waits, lambda: Uptime(self.boot, self.up))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    path = tmp_path / "peer.secret"
    path.write_text(OLD)
    return Machine(path)


@pytest.mark.parametrize("step", [HOUR, -HOUR, 50 * 365 * 24 * HOUR])
def test_a_published_secret_signs_after_the_wait_however_the_clock_is_set(machine: Machine, step: float) -> None:
    assert machine.rotate() == "published"
    machine.run_for(5)
    machine.set_clock(step)
    assert machine.rotate() == ""
    machine.run_for(PUBLISHED - 6)
    assert machine.rotate() == ""
    assert split_secrets(machine.path.read_text())[0] == OLD
    machine.run_for(1)
    assert machine.rotate() == "signing"


@pytest.mark.parametrize("back", [0, HOUR])
def test_a_clock_that_is_ahead_for_a_while_retires_nothing(machine: Machine, back: float) -> None:
    """`back` is how far the clock is set back again. The timer runs while it is ahead, and after that."""
    machine.rotate()
    machine.run_for(PUBLISHED)
    assert machine.rotate() == "signing"
    machine.run_for(60)
    machine.set_clock(2 * HOUR)
    assert machine.rotate() == ""
    machine.set_clock(-back)
    machine.run_for(SIGNING - 61)
    assert machine.rotate() == ""
    machine.run_for(1)
    assert machine.rotate() == "retired"


def test_tokens_that_were_signed_before_the_clock_was_set_back_are_accepted_until_they_expire(
    machine: Machine,
) -> None:
    """By the clock, the last of them expires later than the wait."""
    machine.rotate()
    machine.run_for(PUBLISHED)
    assert machine.rotate() == "signing"
    machine.set_clock(-HOUR)
    machine.run_for(SIGNING)
    assert machine.rotate() == ""
    machine.run_for(HOUR)
    assert machine.rotate() == "retired"


def test_the_recorded_end_of_tokens_counts_after_a_step_too(machine: Machine) -> None:
    machine.rotate()
    machine.run_for(PUBLISHED)
    machine.rotate()
    machine.tokens_expire_at = machine.clock() + 2 * SIGNING
    machine.set_clock(-HOUR)
    machine.run_for(2 * SIGNING + HOUR - 1)
    assert machine.rotate() == ""
    machine.run_for(1)
    assert machine.rotate() == "retired"


def test_after_a_reboot_the_clock_decides(machine: Machine) -> None:
    machine.rotate()
    machine.reboot()
    machine.set_clock(PUBLISHED - 1)
    assert machine.rotate() == ""
    machine.run_for(1)
    assert machine.rotate() == "signing"


def test_a_copy_that_is_much_newer_than_the_file_does_not_undo_it(machine: Machine) -> None:
    """The clock was ahead when a command died after it had written the copy; since then the file was replaced."""
    file = SecretFile(machine.path, in_place=True)
    file.copy_path.write_text(OLD[::-1])
    ahead = machine.path.stat().st_mtime + COMPLETION_SECONDS
    os.utime(file.copy_path, (ahead, ahead))
    assert file.read().secrets == (OLD,)
    assert not file.copy_path.exists()


def test_the_uptime_of_this_machine_increases_and_its_boot_stays() -> None:
    first, second = system_uptime(), system_uptime()
    assert first is not None
    assert second is not None
    lasted = second.seconds_since(first)
    assert lasted is not None
    assert 0 <= lasted < 60
