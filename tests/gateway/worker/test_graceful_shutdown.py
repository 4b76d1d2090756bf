"""A worker fails its readiness check once its graceful shutdown has begun."""

import pytest

from gateway.worker.graceful_shutdown import GracefulShutdown


def test_the_readiness_check_fails_once_the_shutdown_has_begun() -> None:
    graceful_shutdown = GracefulShutdown()
    graceful_shutdown.check()
    graceful_shutdown.begin()
    with pytest.raises(LookupError):
        graceful_shutdown.check()
