"""The workloads of `make bench` are what they are called, and every server responds to them with the right bytes."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.http.response_headers import SESSION_COOKIE
from tests.load.measuring.processes import Processes, allow_many_files
from tests.load.measuring.servers import private_redis, start_backend, start_server, wait_for_expected_response
from tests.load.measuring.supplies import LIST, NEWS, NOTE, Supplies, make_supplies
from tests.load.measuring.tokens import Signer
from tests.load.measuring.traffic import CLIENTS, DISTINCT, PAGES, SEPARATOR, SMALL_POST
from tests.load.measuring.workloads import APPLICATION, DIRECT, PAUSE, QUICK_UPSTREAM, Workload
from tests.load.measuring.wrk import Server
from tests.load.peers import ENVOY, PEERS, SALLYPORT, Peer, nginx
from tests.load.peers.setup import PeerSetup

REQUESTS = 100
"""Requests of each workload that each server answers here."""
BY_NAME = {workload.name: workload for workload in APPLICATION}
TAKING_PART = [peer for peer in PEERS if any(peer.name in workload.servers for workload in APPLICATION)]

needs_nginx = pytest.mark.skipif(bool(nginx.unavailable()), reason="nginx is installed by `make bench`")


@pytest.fixture(scope="module")
def signer() -> Signer:
    """The signer of all tokens."""
    return Signer()


@pytest.fixture(scope="module")
def supplies(signer: Signer) -> Iterator[Supplies]:
    """The bodies and tokens, in a folder that nginx's workers can read as another user, unlike pytest's folders."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield make_supplies(folder, signer, rounds=0, many=0, turn=1)


@pytest.fixture(scope="module")
def backend(supplies: Supplies, signer: Signer) -> Iterator[tuple[Processes, PeerSetup, Server]]:
    """The quick upstream, as a server as well."""
    allow_many_files()
    with private_redis(supplies.folder) as redis_url, Processes(supplies.folder) as processes:
        setup, process = start_backend(processes, supplies.folder, signer, redis_url, QUICK_UPSTREAM)
        yield processes, setup, Server(DIRECT, setup.upstream_url, process)


def requests_of(workload: Workload, supplies: Supplies, server: str = SALLYPORT) -> list[bytes]:
    """Return the requests of a turn at this server."""
    arguments = workload.turn(supplies, 0, 1, server).arguments
    path = next(value.removeprefix("requests=") for value in arguments if value.startswith("requests="))
    return Path(path).read_bytes().removesuffix(SEPARATOR).split(SEPARATOR)


def request_lines(requests: list[bytes]) -> set[bytes]:
    """Return the different request lines."""
    return {request.split(b"\r\n", 1)[0] for request in requests}


def send(server: Server, requests: list[bytes]) -> Iterator[tuple[bytes, HTTPResponse, str]]:
    """Send the requests on one connection; return each with its response and body."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as connection:
        for request in requests:
            connection.sendall(request)
            response = HTTPResponse(connection)
            response.begin()
            yield request, response, response.read().decode()


def assert_right_responses(server: Server, supplies: Supplies) -> None:
    """Send a part of each workload and check status, body and ETag of each response."""
    documents = {name: (supplies.folder / name).read_text() for name in ("note.json", "list.json", *NEWS)}
    news = {documents[name] for name in NEWS}
    for workload in APPLICATION:
        if server.name not in (*workload.servers, DIRECT):
            continue
        seen, tags = set(), []
        for request, response, body in send(server, requests_of(workload, supplies, server.name)[:REQUESTS]):
            path = request.split(b" ", 2)[1]
            is_list = path.startswith(b"/api/list")
            expected = {documents["list.json" if is_list else "note.json"]}
            assert response.status == 200, (workload.name, path, body)
            assert body in (news if path.startswith(b"/api/news") else expected), (workload.name, path)
            seen.add(body)
            if path.startswith((b"/api/news", b"/api/lists")):
                tags.append(response.headers["ETag"])
        assert len(set(tags)) == len(tags)
        if workload.name in ("both", "heads", "traced", "cookie", "refresh-token"):
            assert len(tags) == REQUESTS
            assert seen == news


@needs_nginx
def test_the_upstream_gives_each_workload_its_responses(
    backend: tuple[Processes, PeerSetup, Server], supplies: Supplies
) -> None:
    assert_right_responses(backend[2], supplies)


@needs_nginx
@pytest.mark.parametrize("peer", TAKING_PART, ids=lambda peer: peer.name)
def test_each_server_gives_each_workload_its_responses(
    peer: Peer, backend: tuple[Processes, PeerSetup, Server], supplies: Supplies
) -> None:
    if reason := peer.unavailable():
        pytest.skip(reason)
    processes, setup, _ = backend
    server = start_server(peer.name, peer.start, processes, setup)
    wait_for_expected_response(server, supplies)
    assert_right_responses(server, supplies)


@pytest.mark.parametrize("name", ["mix", "both", "paths", "cookie", "refresh-token"])
def test_new_paths_do_not_repeat_within_a_file(name: str, supplies: Supplies) -> None:
    requests = requests_of(BY_NAME[name], supplies)
    new = [request for request in requests if b"/api/news/" in request or b"/api/lists/" in request]
    new = new if name != "paths" else requests
    assert len(requests) == DISTINCT
    assert len(request_lines(new)) == len(new) >= DISTINCT * 0.7


@pytest.mark.parametrize("name", ["identical", "heads", "20k"])
def test_repeated_requests_differ_in_users_and_header_sets_alone(name: str, supplies: Supplies) -> None:
    requests = requests_of(BY_NAME[name], supplies)
    assert len(request_lines(requests)) == 1
    assert len(set(requests)) == 300
    assert len({without_token(request) for request in requests}) == 4  # the client that traces sends two forms


def test_each_small_body_is_new(supplies: Supplies) -> None:
    requests = requests_of(BY_NAME["small-post"], supplies)
    bodies = {request.partition(b"\r\n\r\n")[2] for request in requests}
    assert len(bodies) == DISTINCT
    assert {len(body) for body in bodies} == {SMALL_POST}


def test_two_of_three_requests_come_from_chrome(supplies: Supplies) -> None:
    requests = requests_of(BY_NAME["both"], supplies)
    agents = Counter(re.findall(rb"Chrome/|okhttp|notes-sdk", b"".join(requests)))
    assert agents[b"Chrome/"] == pytest.approx(DISTINCT * 2 / 3, abs=9)
    traces = re.findall(rb"traceparent: (\S+)", b"".join(requests))
    assert len(traces) == len(set(traces)) == agents[b"notes-sdk"]


def test_every_header_section_is_new_in_requests_that_are_traced(supplies: Supplies) -> None:
    requests = requests_of(BY_NAME["traced"], supplies)
    assert len({without_token(request).partition(b"\r\n")[2] for request in requests}) == len(requests) == DISTINCT


def test_browsers_of_users_and_pages_differ(supplies: Supplies) -> None:
    requests = [request for request in requests_of(BY_NAME["both"], supplies) if b"Chrome/" in request]
    assert len({without_token(request).partition(b"\r\n")[2] for request in requests}) == 10 * PAGES


def test_the_mix_has_the_shares_that_it_promises(supplies: Supplies) -> None:
    requests = requests_of(BY_NAME["mix"], supplies)
    shares = {
        "POST": sum(request.startswith(b"POST") for request in requests),
        "repeated": sum(b" /api/items/" in request for request in requests),
        "large": sum(b" /api/lists/" in request for request in requests),
        "cookie": sum(SESSION_COOKIE.encode() in request for request in requests),
        "refresh token": sum(b"X-Refresh-Token" in request for request in requests),
    }
    percent = {name: count * 100 / DISTINCT for name, count in shares.items()}
    assert percent == {"POST": 12, "repeated": 15, "large": 5, "cookie": 8, "refresh token": 5}


@pytest.mark.parametrize("name", ["mix", "cookie", "refresh-token"])
def test_other_servers_get_the_access_token_in_the_same_requests(name: str, supplies: Supplies) -> None:
    ours, others = (requests_of(BY_NAME[name], supplies, server) for server in (SALLYPORT, ENVOY))
    assert [request.split(b"\r\n", 1)[0] for request in ours] == [request.split(b"\r\n", 1)[0] for request in others]
    assert all(b"Authorization: Bearer " in request for request in others)
    assert not any(b"X-Refresh-Token" in request or b"Cookie" in request for request in others)


@pytest.mark.parametrize("name", ["mix", "mix-paced", "cookie"])
def test_each_session_is_exchanged_before_the_first_turn(name: str, supplies: Supplies) -> None:
    """The exchange is a request to the auth service, once per session; a turn would measure that service."""
    arguments = BY_NAME[name].warming(supplies).arguments
    path = next(value.removeprefix("requests=") for value in arguments if value.startswith("requests="))
    requests = Path(path).read_bytes().split(SEPARATOR)[:CLIENTS]
    handles = {re.search(rb"%b=(\S+)" % SESSION_COOKIE.encode(), request) for request in requests}
    assert len({handle[1] for handle in handles if handle}) == CLIENTS
    assert BY_NAME[name].warmed == (SALLYPORT,)


def test_the_paced_mix_has_the_requests_of_the_mix(supplies: Supplies) -> None:
    paced, mix = (BY_NAME[name].turn(supplies, 0, 1).arguments for name in ("mix-paced", "mix"))
    assert requests_of(BY_NAME["mix-paced"], supplies) == requests_of(BY_NAME["mix"], supplies)
    assert f"pause={PAUSE}" in paced
    assert not any(value.startswith("pause=") for value in mix)


def test_the_bodies_have_the_promised_sizes(supplies: Supplies) -> None:
    sizes = {path.name: path.stat().st_size for path in supplies.folder.glob("*.json")}
    assert sizes["note.json"] == NOTE
    assert sizes["list.json"] == LIST
    assert [sizes[name] for name in NEWS] == [*range(NOTE, NOTE + len(NEWS))]


def without_token(request: bytes) -> bytes:
    """Return the request without the access token."""
    return re.sub(rb"Bearer \S+", b"", request)
