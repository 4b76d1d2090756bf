"""What the edge remembers for a connection: the token that it verified last, with its claims and assertions.

Each request must be decided by its own token, whatever the connection carried before.
"""

import time

import pytest

from contract.identity import IDENTITY_HEADER
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.edge.played_edge import PlayedEdge
from tests.gateway.raw_client import RawClient

pytestmark = pytest.mark.system

REQUEST = ("GET /api/notes HTTP/1.1", "Host: h")


def token_of(key: SigningKey, name: str, **changed: object) -> str:
    claims = {"sub": f"{name}-id", "sid": f"{name}-session", "email": f"{name}@example.org", **changed}
    return key.sign(access_claims(time.time(), **claims))


def body(client: RawClient, token: str, path: str = "/api/notes") -> bytes:
    return client.request(f"GET {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {token}").body


def accepted(edge: PlayedEdge, *tokens: str) -> None:
    """Let the gateway accept the tokens, on connections of their own."""
    for token in tokens:
        assert edge.decides(*REQUEST, f"Authorization: Bearer {token}")


def test_users_who_take_turns_on_a_connection_have_their_own_identities(
    edge: PlayedEdge, signing_key: SigningKey
) -> None:
    tokens = {name: token_of(signing_key, name, roles=f"user {name}") for name in ("ada", "bob", "eve")}
    accepted(edge, *tokens.values())
    with edge.connect() as client:
        for name in ("ada", "ada", "bob", "ada", "eve", "eve", "bob"):
            assert body(client, tokens[name]) == b"service"
            request = edge.service.last
            assert request.get("X-User-Id") == f"{name}-id"
            assertion = request.get(IDENTITY_HEADER) or ""
            identity = verify(assertion, key=verification_key(IDENTITY_SECRET), audience="notes", now=time.time())
            assert (identity.subject, identity.session) == (f"{name}-id", f"{name}-session")
            assert (identity.email, identity.roles) == (f"{name}@example.org", ("user", name))


def test_a_token_that_differs_in_its_signature_only_is_verified(edge: PlayedEdge, signing_key: SigningKey) -> None:
    token = token_of(signing_key, "ada")
    accepted(edge, token)
    with edge.connect() as client:
        assert body(client, token) == b"service"
        assert body(client, token[:-8] + "AAAAAAAA") == b"gateway"
        assert body(client, token[:-8] + "AAAAAAAA") == b"gateway"
        assert body(client, token + "A") == b"gateway"
        assert body(client, token[:-1]) == b"gateway"
        assert body(client, token) == b"service"


def test_a_log_out_takes_effect_on_an_open_connection(edge: PlayedEdge, signing_key: SigningKey) -> None:
    token = token_of(signing_key, "ada")
    accepted(edge, token)
    with edge.connect() as client:
        for value in ("ada-session", "ada-id"):
            assert body(client, token) == b"service"
            edge.set_map(edge.folder.revoked_map, f"{value} 1")
            assert body(client, token) == b"gateway"
            edge.set_map(edge.folder.revoked_map)
        assert body(client, token) == b"service"


def test_a_withdrawn_key_takes_effect_on_an_open_connection(edge: PlayedEdge, signing_key: SigningKey) -> None:
    token = token_of(signing_key, "ada")
    accepted(edge, token)
    lines = edge.folder.keys_map.read_text().splitlines()
    other_file = next(line.partition(" ")[2] for line in lines if line.endswith(".es256.pem"))
    with edge.connect() as client:
        assert body(client, token) == b"service"
        edge.set_map(edge.folder.keys_map)
        assert body(client, token) == b"gateway"
        # Another key with the name of this one.
        edge.set_map(edge.folder.keys_map, *(f"{line.partition(' ')[0]} {other_file}" for line in lines))
        assert body(client, token) == b"gateway"
        edge.set_map(edge.folder.keys_map, *lines)
        assert body(client, token) == b"service"


def test_a_token_expires_on_an_open_connection(edge: PlayedEdge, signing_key: SigningKey) -> None:
    token = token_of(signing_key, "ada", exp=int(time.time()) + 3)
    accepted(edge, token)
    deadline = time.monotonic() + 30
    with edge.connect() as client:
        while body(client, token) == b"service":
            assert time.monotonic() < deadline
            time.sleep(0.1)  # HAProxy's clock cannot be moved


def test_roles_are_checked_for_each_request_of_a_connection(edge: PlayedEdge, signing_key: SigningKey) -> None:
    staff, user = token_of(signing_key, "ada", roles="staff"), token_of(signing_key, "bob", roles="user")
    accepted(edge, staff, user)
    with edge.connect() as client:
        for token, expected in ((staff, b"service"), (user, b"gateway"), (staff, b"service"), (user, b"gateway")):
            assert body(client, token, "/staff/") == expected
            assert body(client, token) == b"service"


def test_claims_of_a_hook_come_first_and_are_not_read(edge: PlayedEdge, signing_key: SigningKey) -> None:
    claims = access_claims(time.time())
    inner = '"sub":"root","sid":"s","email":"r@example.org","roles":"staff"}'
    for extra in ({"plan": "gold", "limits": {"a": [1, None]}}, {"note": f'9999999999%1%root%s%"{inner}'}):
        token = signing_key.sign({**extra, **claims})
        accepted(edge, token)
        assert edge.service.last.get("X-User-Id") == "ada-id"
    # With an e-mail address that the edge does not read, the text of a claim must not stand in for the claims.
    token = signing_key.sign({"9999999999": f"%1%root%s%r%staff%{inner}", **claims, "email": "jos\u00e9@example.org"})
    assert not edge.decides(*REQUEST, f"Authorization: Bearer {token}")


def test_claims_in_another_order_are_for_the_gateway(edge: PlayedEdge, signing_key: SigningKey) -> None:
    claims = access_claims(time.time())
    assert not edge.decides(*REQUEST, f"Authorization: Bearer {signing_key.sign(dict(reversed(claims.items())))}")
    assert not edge.decides(*REQUEST, f"Authorization: Bearer {signing_key.sign({**claims, 'plan': 'gold'})}")
