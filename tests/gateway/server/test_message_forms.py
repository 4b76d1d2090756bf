"""Message forms that proxies treat differently: the outcomes of the gateway and other proxies are as recorded.

`make test` sends all forms to the gateway. `make test-faults` also sends them to nginx, HAProxy and Envoy, if they
are installed, and compares the outcomes with recorded.json; SALLYPORT_RECORD=1 writes that file. The page in
docs/decisions explains each difference.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.gateway.message_forms import peers
from tests.gateway.message_forms.forms import REQUESTS, RESPONSES
from tests.gateway.message_forms.outcomes import Outcomes, request_outcomes, response_outcomes
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway

FILE = Path(__file__).parents[1] / "message_forms" / "recorded.json"
PAGE = ROOT / "docs" / "decisions" / "0021-message-forms-compared-with-nginx-haproxy-and-envoy.md"
GATEWAY = "gateway"
PEERS = ("nginx", "haproxy", "envoy")
RECORD = bool(os.environ.get("SALLYPORT_RECORD"))

Table = dict[str, dict[str, dict[str, str]]]
"""Outcomes by "requests" or "responses", form and proxy."""


def recorded(kind: str, proxy: str) -> Outcomes:
    """Return the recorded outcomes of the forms of `kind` at `proxy`."""
    table: Table = json.loads(FILE.read_text(encoding="utf-8"))
    return {form: by_proxy[proxy] for form, by_proxy in table[kind].items() if proxy in by_proxy}


def record(kind: str, proxy: str, outcomes: Outcomes) -> None:
    """Record the outcomes of the forms of `kind` at `proxy`."""
    table: Table = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    before = table.get(kind, {})
    table[kind] = {form: {**before.get(form, {}), proxy: outcome} for form, outcome in outcomes.items()}
    FILE.write_text(json.dumps(table, indent=1, sort_keys=False) + "\n", encoding="utf-8")


def outcomes_of(kind: str, port: int, upstream: RawUpstream) -> Outcomes:
    """Return the outcomes of the forms of `kind` at the proxy that listens on `port`."""
    return (
        request_outcomes(port, upstream, REQUESTS)
        if kind == "requests"
        else response_outcomes(port, upstream, RESPONSES)
    )


def differences(found: Outcomes, expected: Outcomes) -> dict[str, tuple[str, str | None]]:
    """Return the found and the recorded outcome of each form for which they differ."""
    return {form: (outcome, expected.get(form)) for form, outcome in found.items() if outcome != expected.get(form)}


@pytest.mark.parametrize("kind", ["requests", "responses"])
def test_the_gateways_outcomes_are_as_recorded(gateway: RunningGateway, upstream: RawUpstream, kind: str) -> None:
    found = outcomes_of(kind, gateway.port, upstream)
    if RECORD:
        record(kind, GATEWAY, found)
    assert differences(found, recorded(kind, GATEWAY)) == {}


@pytest.fixture(scope="module")
def running_peers(
    shared_upstream: RawUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, int]]:
    with peers.running_peers(tmp_path_factory.mktemp("peers"), shared_upstream.port) as ports:
        yield ports


@pytest.mark.skipif(
    not (os.environ.get("SALLYPORT_FAULTS") or RECORD), reason="starts other proxies; `make test-faults` does"
)
@pytest.mark.parametrize("kind", ["requests", "responses"])
@pytest.mark.parametrize("proxy", PEERS)
def test_the_outcomes_of_other_proxies_are_as_recorded(
    running_peers: Mapping[str, int], upstream: RawUpstream, kind: str, proxy: str
) -> None:
    """Fails if another version of a proxy behaves differently."""
    if proxy not in running_peers:
        pytest.skip(f"{proxy} is not installed")
    found = outcomes_of(kind, running_peers[proxy], upstream)
    if RECORD:
        record(kind, proxy, found)
    assert differences(found, recorded(kind, proxy)) == {}


def _is_accepted(outcome: str) -> bool:
    return outcome.startswith(("2", "3"))


@pytest.mark.parametrize(("kind", "heading"), [("requests", "### Requests"), ("responses", "### Responses")])
def test_the_page_explains_each_difference(kind: str, heading: str) -> None:
    """A form that is accepted by the gateway and refused by another proxy, or vice versa, has a row; no other has."""
    rows = PAGE.read_text(encoding="utf-8").split(heading, 1)[1].split("\n##", 1)[0].splitlines()
    explained = [row.split(" | ")[0].removeprefix("| ") for row in rows if row.startswith("| ")][1:]
    table: Table = json.loads(FILE.read_text(encoding="utf-8"))
    assert set(table[kind]) == set(REQUESTS if kind == "requests" else RESPONSES)
    different = [
        form
        for form, by_proxy in table[kind].items()
        if any(_is_accepted(by_proxy[peer]) != _is_accepted(by_proxy[GATEWAY]) for peer in PEERS)
    ]
    assert explained == different
