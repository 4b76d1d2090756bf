"""Which tokens HAProxy verifies. The gateway behind it accepts everything, so HAProxy's own checks decide."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims, by_hand
from tests.gateway.edge.played_edge import GATEWAY, PlayedEdge
from tests.gateway.raw_upstream import answering
from tests.system.test_forgery import FORGERIES, Forge

pytestmark = pytest.mark.system

REQUEST = ("GET /api/notes HTTP/1.1", "Host: h")


def decides(edge: PlayedEdge, token: str) -> bool:
    return edge.decides(*REQUEST, f"Authorization: Bearer {token}")


@pytest.fixture(scope="session")
def forge(signing_key: SigningKey) -> Forge:
    """The forge of the system tests, with this edge's key."""
    assert isinstance(signing_key.key, rsa.RSAPrivateKey)
    claims = access_claims(time.time())
    header = {"typ": "at+jwt", "alg": "RS256", "kid": signing_key.kid}
    refresh = signing_key.sign({**claims, "token_type": "refresh"}, typ="refresh+jwt")
    return Forge(signing_key.key, header, claims, refresh, IDENTITY_SECRET)


def test_the_edge_decides_from_the_second_request_on(edge: PlayedEdge, signing_key: SigningKey) -> None:
    """The first request lets the gateway check the token completely, and report that it was used."""
    line = f"Authorization: Bearer {signing_key.sign(access_claims(time.time(), jti='first'))}"
    assert [edge.send(*REQUEST, line).body for _ in range(3)] == [b"gateway", b"service", b"service"]


def test_a_token_that_the_gateway_refused_is_sent_to_it_again(edge: PlayedEdge, signing_key: SigningKey) -> None:
    line = f"Authorization: Bearer {signing_key.sign(access_claims(time.time(), jti='refused'))}"
    edge.gateway.begin_answering(answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"))
    assert [edge.send(*REQUEST, line).status for _ in range(3)] == [401, 401, 401]
    edge.gateway.begin_answering(GATEWAY)


def test_elliptic_curves_are_verified(edge: PlayedEdge, elliptic_key: SigningKey) -> None:
    token = elliptic_key.sign(access_claims(time.time()))
    assert decides(edge, token)
    assert not decides(edge, token[:-8] + "AAAAAAAA")


@pytest.mark.parametrize("name", FORGERIES)
def test_the_edge_does_not_decide_a_forged_token(edge: PlayedEdge, forge: Forge, name: str) -> None:
    assert decides(edge, forge.token(jti=name))
    assert not decides(edge, FORGERIES[name](forge))


OTHERS: Mapping[str, Callable[[SigningKey], str]] = {
    "another order of header members": lambda key: by_hand(
        {"typ": "at+jwt", "alg": "RS256", "kid": key.kid}, access_claims(time.time()), b"x"
    ),
    "a second kid in the header": lambda key: by_hand(
        b'{"alg":"RS256","kid":"k1","typ":"at+jwt","kid":"k2"}', access_claims(time.time()), b"x"
    ),
    "a header that names the file of the key": lambda key: key.sign(access_claims(time.time()), kid="/etc/passwd"),
    "signed by the other key, with this kid": lambda key: SigningKey(
        key.kid, ec.generate_private_key(ec.SECP256R1())
    ).sign(access_claims(time.time())),
    "HMAC with the path of the key as secret": lambda key: jwt.encode(
        access_claims(time.time()),
        "/key-0123456789abcdef0123456789abcdef.pem",
        "HS256",
        headers={"typ": "at+jwt", "kid": key.kid},
    ),
    "HMAC with the public key, the header of RS256": lambda key: (
        key.sign(access_claims(time.time())).rpartition(".")[0]
        + "."
        + jwt.encode({}, public_pem(key).replace(b"-", b"_"), "HS256").rpartition(".")[2]
    ),
    "expires now": lambda key: key.sign(access_claims(time.time(), exp=int(time.time()))),
    "expiry in the distant past": lambda key: key.sign(access_claims(time.time(), exp=1)),
    "negative expiry": lambda key: key.sign(access_claims(time.time(), exp=-1)),
    "expiry null": lambda key: key.sign({**access_claims(time.time()), "exp": None}),
    "expiry list": lambda key: key.sign({**access_claims(time.time()), "exp": [2**40]}),
    "a subject that is not ASCII": lambda key: key.sign(access_claims(time.time(), sub="jos\u00e9")),
    "a subject with an emoji": lambda key: key.sign(access_claims(time.time(), sub="ada\U0001f600")),
    "a subject with a line end": lambda key: key.sign(access_claims(time.time(), sub="ada\nX-Evil: 1")),
    "a subject that ends with a line end": lambda key: key.sign(access_claims(time.time(), sub="ada\n")),
    "a subject with NUL": lambda key: key.sign(access_claims(time.time(), sub="ada\0boss")),
    "a subject with a space": lambda key: key.sign(access_claims(time.time(), sub="ada 1")),
    "a quoted e-mail address": lambda key: key.sign(access_claims(time.time(), email='"a b"@example.org')),
    "an e-mail address with a line end": lambda key: key.sign(
        access_claims(time.time(), email="a@b.example\r\nX: 1")
    ),
    "roles with an escape": lambda key: key.sign(access_claims(time.time(), roles="\u4e2d")),
    "roles with two spaces": lambda key: key.sign(access_claims(time.time(), roles="user  staff")),
    "roles that are a list": lambda key: key.sign(access_claims(time.time(), roles=["staff"])),
    "no roles": lambda key: key.sign(access_claims(time.time(), roles=None)),
    "no e-mail address": lambda key: key.sign(access_claims(time.time(), email=None)),
    "a sid in an object": lambda key: key.sign(access_claims(time.time(), sid={"a": "b"})),
    "claims in an object": lambda key: key.sign({"claims": access_claims(time.time())}),
    "claims in an array": lambda key: by_hand(
        {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}, [access_claims(time.time())], b"x"
    ),
}


def public_pem(key: SigningKey) -> bytes:
    pem: Any = key.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return bytes(pem)


@pytest.mark.parametrize("name", OTHERS)
def test_the_edge_does_not_decide_an_unusual_token(edge: PlayedEdge, signing_key: SigningKey, name: str) -> None:
    assert not decides(edge, OTHERS[name](signing_key))


@pytest.mark.parametrize("length", [8_000, 20_000, 40_000])
def test_a_huge_token_is_for_the_gateway(edge: PlayedEdge, signing_key: SigningKey, length: int) -> None:
    assert not decides(edge, signing_key.sign(access_claims(time.time()), kid="k" * length))


@pytest.mark.parametrize(
    "lines",
    [
        ("Authorization: {0}", "Authorization: {0}"),
        ("Authorization: {0}", "Authorization: Basic YTpi"),
        ("Authorization: {0}, {0}",),
        ("Authorization: {0}", "Cookie: sallyport-session=x"),
        ("Authorization: {0}", "Cookie: other=1"),
        ("Authorization: {0}", "X-Refresh-Token: x"),
        ("Authorization: Basic YTpi",),
        ("Proxy-Authorization: {0}",),
        ("Authorization : {0}",),
        ("Authorization: {0} x",),
        (),
    ],
)
def test_other_credentials_are_for_the_gateway(edge: PlayedEdge, bearer: str, lines: tuple[str, ...]) -> None:
    value = bearer.partition(": ")[2]
    assert edge.decides(*REQUEST, bearer)
    assert not edge.decides(*REQUEST, *(line.format(value) for line in lines))


def test_a_revoked_session_or_subject_is_for_the_gateway(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides(*REQUEST, bearer)
    for value in ("ada-session", "ada-id"):
        edge.set_map(edge.folder.revoked_map, f"{value} 1")
        assert not edge.decides(*REQUEST, bearer)
        edge.set_map(edge.folder.revoked_map, "another-session 1")
        assert edge.decides(*REQUEST, bearer)


def test_without_a_sign_of_life_of_sync_everything_is_for_the_gateway(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides(*REQUEST, bearer)
    edge.set_valid(-1)
    assert not edge.decides(*REQUEST, bearer)
    edge.set_map(edge.folder.state_map)
    assert not edge.decides(*REQUEST, bearer)


def test_a_withdrawn_key_is_for_the_gateway(edge: PlayedEdge, bearer: str) -> None:
    file = edge.folder.keys_map
    before = file.read_text().splitlines()
    assert edge.decides(*REQUEST, bearer)
    edge.set_map(file)
    assert not edge.decides(*REQUEST, bearer)
    # The path of a file that HAProxy has not loaded.
    edge.set_map(file, before[0].replace("key-", "other-"))
    assert not edge.decides(*REQUEST, bearer)
    edge.set_map(file, *before)
    assert edge.decides(*REQUEST, bearer)


def test_roles_are_compared_as_whole_words(edge: PlayedEdge, signing_key: SigningKey) -> None:
    for roles, expected in (
        ("user staff", True),
        ("the.boss", True),
        ("thexboss", False),
        ("staffs", False),
        ("", False),
    ):
        line = f"Authorization: Bearer {signing_key.sign(access_claims(time.time(), roles=roles))}"
        assert edge.decides("GET /staff/ HTTP/1.1", "Host: h", line) is expected, roles


def test_a_token_that_was_verified_is_not_decided_after_its_expiry(edge: PlayedEdge, signing_key: SigningKey) -> None:
    token = signing_key.sign(access_claims(time.time(), exp=int(time.time()) + 2))
    assert decides(edge, token)
    deadline = time.monotonic() + 30
    while decides(edge, token):
        assert time.monotonic() < deadline
        time.sleep(0.1)  # HAProxy's clock cannot be moved
