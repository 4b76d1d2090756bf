"""POST /internal/seen: what the gateway saw in use."""

import pytest
from flask.testing import FlaskClient

from contract.peer import PEER_HEADER, sign_peer
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import PEER_SECRET, REFRESH_SECRET, Operator, Person
from tests.clocks import MovableClock


@pytest.fixture
def gateway(client: FlaskClient, clock: MovableClock) -> Gateway:
    return Gateway(client, clock)


def test_the_highest_generation_of_a_report_is_noted(ann: Person, gateway: Gateway, operator: Operator) -> None:
    for _ in range(3):
        ann.refresh_tokens()
    sid = str(claims_of(ann.access)["sid"])
    assert operator.session_of(ann.access).seen_generation == 2
    assert gateway.report((sid, 3), (sid, 1), ("unknown", 7), (sid, 2)).status_code == 204
    assert operator.session_of(ann.access).seen_generation == 3
    assert gateway.report((sid, 99)).status_code == 204
    assert operator.session_of(ann.access).seen_generation == 3


def test_an_empty_report_and_a_full_one_are_taken(gateway: Gateway) -> None:
    assert gateway.report().status_code == 204
    assert gateway.report(*((f"{number:032x}", 1) for number in range(1000))).status_code == 204


def test_nobody_but_the_gateway_reports(ann: Person, client: FlaskClient, clock: MovableClock) -> None:
    """403 and not 401: it says nothing of any client's token."""
    stale = sign_peer(PEER_SECRET, now=clock() - 3600)
    foreign = sign_peer(REFRESH_SECRET, now=clock())
    for token in (None, "", "junk", ann.access, stale, foreign):
        headers = {} if token is None else {PEER_HEADER: token}
        answer = client.post("/internal/seen", json={"seen": []}, headers=headers)
        assert answer.status_code == 403
        assert answer.content_type == "application/problem+json"


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
def test_a_report_of_another_form_is_a_400(client: FlaskClient, clock: MovableClock, body: bytes) -> None:
    headers = {PEER_HEADER: sign_peer(PEER_SECRET, now=clock())}
    answer = client.post("/internal/seen", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json
    assert answer.json["code"] == "bad_body"
