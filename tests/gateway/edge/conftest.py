"""An edge with one route for each rule that HAProxy applies."""

import time
from collections.abc import Iterator

import pytest

from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.edge.played_edge import HAPROXY, PlayedEdge, play_edge
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml, upstream_table

ROUTES = routes_toml(
    AUTH_UPSTREAM,
    NOTES_UPSTREAM,
    upstream_table("foreign", identity=False, host="app.example"),
    route_table("/api/", methods=["GET", "HEAD", "POST", "PUT", "DELETE"], max_body=1_000),
    route_table("/api/public/", "public"),
    route_table("/api/by-method/", methods=["GET"]),
    route_table("/api/Case/", "public"),
    route_table("/staff/", ["staff", "the.boss"]),
    route_table("/limited/", limits=[{"per": "identity", "rate": "5/hour"}]),
    route_table("/foreign/", upstream="foreign"),
    route_table(
        "/fixed/",
        request_headers={"X-Tenant": "100% acme"},
        response_headers={"Cache-Control": "no-store", "X-Quoted": 'it\'s "50%"'},
        expose_headers=["X-Quoted"],
    ),
)


@pytest.fixture(scope="session")
def elliptic_key() -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return SigningKey("k2", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def shared_edge(
    signing_key: SigningKey, elliptic_key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlayedEdge]:
    """The edge that tests share."""
    if HAPROXY is None:
        pytest.skip("HAProxy is not installed")
    with play_edge(tmp_path_factory.mktemp("edge"), ROUTES, (signing_key, elliptic_key)) as played:
        yield played


@pytest.fixture
def edge(shared_edge: PlayedEdge) -> PlayedEdge:
    """The edge, which decides requests and knows of no revocation."""
    shared_edge.set_valid()
    shared_edge.set_map(shared_edge.folder.revoked_map)
    return shared_edge


@pytest.fixture
def bearer(signing_key: SigningKey) -> str:
    """The Authorization line of a valid token."""
    return f"Authorization: Bearer {signing_key.sign(access_claims(time.time()))}"
