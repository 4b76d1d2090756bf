"""Look at the files of secrets once a second, so that a replaced secret is used without a reload."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from chassis.secret_rotation.watched_secret import CHECK_SECONDS


class Watched(Protocol):
    """A secret whose file may change."""

    def current(self) -> object:
        """Return the secret; look at the file if that was a second ago."""

    def check(self) -> bool:
        """Look at the file now."""


class SecretWatch:
    """Looks at the files of `secrets`, and calls `on_change` after one of them was replaced."""

    def __init__(self, secrets: Iterable[Watched | None], on_change: Callable[[], None]) -> None:
        self._secrets = tuple(filter(None, secrets))
        self._used = [secret.current() for secret in self._secrets]
        self._on_change = on_change

    def check(self) -> None:
        """Look at each file now."""
        for secret in self._secrets:
            secret.check()
        # A request may have looked at a file before this task.
        current = [secret.current() for secret in self._secrets]
        if any(new is not used for new, used in zip(current, self._used, strict=True)):
            self._used = current
            self._on_change()

    async def keep_checking(self) -> None:
        """Look at each file once a second, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.check()
