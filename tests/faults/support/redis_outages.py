"""Make Redis unavailable for the duration of a `with` block."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.faults.support.running_system import RunningSystem

RedisFault = Callable[[RunningSystem], AbstractContextManager[None]]


@contextmanager
def killed(system: RunningSystem) -> Iterator[None]:
    """Kill Redis for the duration of the block; then start it with its data file."""
    system.redis.kill()
    yield
    system.start_redis()


@contextmanager
def hung(system: RunningSystem) -> Iterator[None]:
    """Suspend Redis for the duration of the block: it accepts connections and does not respond."""
    system.redis.suspend()
    yield
    system.redis.resume()
