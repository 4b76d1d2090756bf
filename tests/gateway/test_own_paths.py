"""The gateway's own endpoints are where they should be, and nowhere else."""

import pytest

from gateway.own_paths import OwnPaths, Server

PUBLIC, INTERNAL = frozenset({b"/healthz"}), frozenset({b"/healthz", b"/metrics"})


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("unix:/run/internal.sock", ("/run/internal.sock", None)),
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:9000", ("10.0.0.7", 9000)),
    ],
)
def test_internal_paths_are_served_at_the_internal_address(address: str, server: Server) -> None:
    assert OwnPaths(PUBLIC, INTERNAL, address).has(b"/metrics", server)


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("", ("127.0.0.1", 8000)),
        ("", None),
        ("unix:/run/internal.sock", ("/run/public.sock", None)),
        ("unix:/run/internal.sock", ("127.0.0.1", 8000)),
        ("127.0.0.1:9000", ("127.0.0.1", 8000)),
        ("127.0.0.1:9000", ("127.0.0.1:9000", None)),
        ("127.0.0.1:9000", None),
    ],
)
def test_and_do_not_exist_elsewhere(address: str, server: Server) -> None:
    paths = OwnPaths(PUBLIC, INTERNAL, address)
    assert not paths.has(b"/metrics", server)
    assert paths.has(b"/healthz", server)
    assert not paths.has(b"/healthz/", server)
