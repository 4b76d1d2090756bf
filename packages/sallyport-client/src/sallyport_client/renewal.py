"""One refresh for all threads and tasks that wait for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Renewals:
    """Runs `refresh` in a thread of its own, one at a time, and gives its result to all who ask meanwhile.

    The thread belongs to none of the callers: one that is cancelled or interrupted does not affect the others. A call
    that lasts longer than `limit` seconds is given up, so that later callers do not wait for it.
    """

    def __init__(
        self,
        refresh: Callable[[], str | None],
        access_token: Callable[[], str | None],
        limit: float,
        clock: Callable[[], float],
    ) -> None:
        self._refresh = refresh
        self._access_token = access_token
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Future[str | None] | None = None
        self._started_at = 0.0

    def join(self, refused: str | None) -> Future[str | None] | None:
        """Return the result of the running refresh, of a new one if none runs. It is set within `limit` seconds.

        None if the access token is another one than `refused` by now: then there is nothing to wait for.
        """
        with self._lock:
            # Under the lock: a refresh that has just ended has replaced the token before it released the lock.
            current = self._access_token()
            if current is not None and current != refused:
                return None
            if self._current is None or self._clock() - self._started_at >= self._limit:
                self._current = self._start()
                self._started_at = self._clock()
            return self._current

    def reset(self) -> None:
        """Forget the running refresh in a forked process, which does not have its thread."""
        self._lock = threading.Lock()
        self._current = None

    def _start(self) -> Future[str | None]:
        renewal: Future[str | None] = Future()
        # A running future cannot be cancelled: asyncio would cancel it with the first task that waits for it.
        renewal.set_running_or_notify_cancel()
        # A daemon: a process may end meanwhile. The server accepts the earlier token until the new one was used.
        threading.Thread(target=self._run, args=(renewal,), name="sallyport-refresh", daemon=True).start()
        return renewal

    def _run(self, renewal: Future[str | None]) -> None:
        try:
            result = self._refresh()
        except BaseException as error:  # noqa: BLE001 - those who wait must get every error
            self._finish(renewal)
            renewal.set_exception(error)
        else:
            self._finish(renewal)
            renewal.set_result(result)

    def _finish(self, renewal: Future[str | None]) -> None:
        with self._lock:
            if self._current is renewal:
                self._current = None
