"""A reader can follow a request through the gateway in few source files."""

from collections.abc import Iterator

import pytest

from gateway.compiled import is_compiled
from tests.gateway.request_path import Traced, traced_gateway

pytestmark = pytest.mark.skipif(is_compiled(), reason="compiled functions have no Python frames to count")

MAX_FILES_OF_A_CACHED_GET = 20
MAX_FILES_OF_A_WEBSOCKET = 48
"""Source files of the gateway, the contract and the chassis, as many as today's code needs."""


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with traced_gateway() as gateway:
        yield gateway


def test_a_cached_get_crosses_few_files(traced: Traced) -> None:
    """`python -m tests.gateway.request_path` prints the files."""
    path = traced.cached_get()
    assert path.files[0] == "gateway/server/http_protocol.py"
    assert "gateway/proxy/buffered_exchange.py" in path.files
    assert len(path.files) <= MAX_FILES_OF_A_CACHED_GET, str(path)


def test_a_websocket_crosses_few_files(traced: Traced) -> None:
    path = traced.websocket()
    assert path.files[0] == "gateway/server/http_protocol.py"
    assert "gateway/proxy/websocket_relay.py" in path.files
    assert len(path.files) <= MAX_FILES_OF_A_WEBSOCKET, str(path)


def test_a_call_from_another_file_is_counted_as_a_change(traced: Traced) -> None:
    """A GET goes to the upstream and back, so it enters some files more than once."""
    path = traced.cached_get()
    assert len(path.files) - 1 < path.changes < len(path.calls)
