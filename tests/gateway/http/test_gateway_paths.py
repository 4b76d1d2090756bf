"""The addresses on which the gateway's own endpoints are served."""

import pytest

from gateway.http.gateway_paths import Exposure, GatewayPaths, ServerAddress

PUBLIC, INTERNAL = frozenset({b"/healthz"}), frozenset({b"/healthz", b"/metrics"})


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("unix:/run/internal.sock", ("/run/internal.sock", None)),
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:9000", ("10.0.0.7", 9000)),
    ],
)
def test_internal_paths_are_served_at_the_internal_address(address: str, server: ServerAddress) -> None:
    assert GatewayPaths(PUBLIC, INTERNAL, address).contains(b"/metrics", server)


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
def test_internal_paths_do_not_exist_at_other_addresses(address: str, server: ServerAddress) -> None:
    paths = GatewayPaths(PUBLIC, INTERNAL, address)
    assert not paths.contains(b"/metrics", server)
    assert paths.contains(b"/healthz", server)
    assert not paths.contains(b"/healthz/", server)


@pytest.mark.parametrize("path", [b"/forward-auth", b"/forward-auth/", b"/forward-auth/api/notes"])
@pytest.mark.parametrize(
    ("exposure", "server", "expected"),
    [
        ("internal", ("127.0.0.1", 9000), True),
        ("internal", ("127.0.0.1", 8000), False),
        ("public", ("127.0.0.1", 8000), True),
        ("off", ("127.0.0.1", 9000), False),
    ],
)
def test_forward_auth_is_served_where_its_exposure_allows(
    path: bytes, exposure: Exposure, server: ServerAddress, expected: bool
) -> None:
    """The default of the setting is `internal`, because the responses contain identity assertions."""
    paths = GatewayPaths(PUBLIC, INTERNAL, "127.0.0.1:9000", exposure)
    assert paths.contains(path, server) == paths.is_forward_auth(path, server) == expected


@pytest.mark.parametrize("path", [b"/forward-authx", b"/forward", b"/x/forward-auth", b"/metrics"])
def test_no_other_path_is_forward_auth(path: bytes) -> None:
    assert not GatewayPaths(PUBLIC, INTERNAL, "127.0.0.1:9000", "public").is_forward_auth(path, ("127.0.0.1", 9000))
