"""POST /internal/seen: the gateway's usage reports."""

import pytest
from flask.testing import FlaskClient

from contract.peer_token import PEER_HEADER, sign_peer
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import PEER_SECRET, REFRESH_SECRET, Operator, Person
from tests.clocks import MovableClock


@pytest.fixture
def gateway(client: FlaskClient, clock: MovableClock) -> Gateway:
    return Gateway(client, clock)


def test_the_highest_generation_of_a_report_is_stored(ann: Person, gateway: Gateway, operator: Operator) -> None:
    """A generation that was never issued changes nothing."""
    for _ in range(3):
        ann.refresh_tokens()
    sid = str(claims_of(ann.access)["sid"])
    assert operator.session_of(ann.access).seen_generation == 2
    assert gateway.report((sid, 3), (sid, 1), ("unknown", 7), (sid, 2)).status_code == 204
    assert operator.session_of(ann.access).seen_generation == 3
    assert gateway.report((sid, 99)).status_code == 204
    assert operator.session_of(ann.access).seen_generation == 3


def test_an_empty_report_and_a_full_one_are_accepted(gateway: Gateway) -> None:
    assert gateway.report().status_code == 204
    assert gateway.report(*((f"{number:032x}", 1) for number in range(1000))).status_code == 204


def test_only_the_gateway_may_report(ann: Person, client: FlaskClient, clock: MovableClock) -> None:
    """Others are answered 403. A 401 would mean that a client's token is wrong."""
    expired = sign_peer(PEER_SECRET, now=clock() - 3600)
    of_another_secret = sign_peer(REFRESH_SECRET, now=clock())
    for token in (None, "", "junk", ann.access, expired, of_another_secret):
        headers = {} if token is None else {PEER_HEADER: token}
        response = client.post("/internal/seen", json={"seen": []}, headers=headers)
        assert response.status_code == 403
        assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"seen": {}}',
        b'{"seen": [1]}',
        b'{"seen": [["a"]]}',
        b'{"seen": [["a", "1"]]}',
        b'{"seen": [["a", true]]}',
        b'{"seen": [["a", -1]]}',
        b'{"seen": [["a", 9999999999]]}',
        b'{"seen": [[1, 1]]}',
        b'{"seen": [' + b'["a", 1],' * 1000 + b'["a", 1]]}',
    ],
)
def test_a_malformed_report_is_answered_400(client: FlaskClient, clock: MovableClock, body: bytes) -> None:
    headers = {PEER_HEADER: sign_peer(PEER_SECRET, now=clock())}
    response = client.post("/internal/seen", data=body, headers=headers)
    assert response.status_code == 400
    assert response.json
    assert response.json["code"] == "bad_body"
