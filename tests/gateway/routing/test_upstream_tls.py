"""Upstreams over TLS: which certificates are accepted; a server with any other one gets no request."""

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from websockets.sync.client import connect

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.single_requests import request_once, status_and_code
from tests.gateway.stand_ins.certificates import ONE_DAY, Authority, Pair
from tests.gateway.stand_ins.websocket_service import websocket_service

LARGE = 3_000_000
"""Bytes: more than all buffers between client and upstream."""

UPSTREAM = """
[upstreams.{name}]
urls = ["https://{host}:{port}"]
break_after = 0
{rest}

[[routes]]
prefix = "/{name}/"
upstream = "{name}"
access = "public"
max_body = "8MiB"
timeout = {{ connect = {connect} }}
"""
CONNECT_TIMEOUT = 10
"""Seconds: enough for a TLS handshake on a busy machine."""

SHORT_CONNECT_TIMEOUT = 0.5
"""Seconds, for a server that never answers the handshake."""


def serving(pair: Pair) -> ssl.SSLContext:
    """Return the context of a server with this certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


def limited_to_tls_1_1(pair: Pair) -> ssl.SSLContext:
    """Return the context of a server that supports TLS 1.0 and 1.1 only."""
    context = serving(pair)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # Python warns that these versions are deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def requiring_certificates(pair: Pair, authority: Authority) -> ssl.SSLContext:
    """Return the context of a server that requires a client certificate of this authority."""
    context = serving(pair)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def refusing_handshake(context: ssl.SSLContext) -> Iterator[int]:
    """Yield the port of a server that accepts one connection, sends its TLS alert, and waits for the close."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT)

    def accept_once() -> None:
        connection, _ = listener.accept()
        connection.settimeout(WAIT)
        secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLError):
            secured.do_handshake()
        with socket.socket(fileno=secured.detach()) as tcp:
            tcp.settimeout(WAIT)
            while tcp.recv(65_536):
                pass

    thread = threading.Thread(target=accept_once)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
        thread.join(WAIT)


@pytest.fixture(scope="module")
def stranger(authority: Authority) -> Authority:
    """An authority that the gateway does not trust."""
    return Authority(authority.folder, "theirs")


@pytest.fixture(scope="module")
def requested_names() -> list[str | None]:
    """The names (SNI) that the gateway requested from the good server."""
    return []


@pytest.fixture(scope="module")
def servers(
    authority: Authority, stranger: Authority, requested_names: list[str | None]
) -> Iterator[dict[str, RawUpstream]]:
    """TLS servers with valid and invalid certificates, by name; "plain" has no TLS."""
    good = serving(authority.issue("good", "localhost", "127.0.0.1"))
    good.sni_callback = lambda _, name, __: requested_names.append(name)
    contexts = {
        "good": good,
        "stranger": serving(stranger.issue("stranger", "localhost")),
        "expired": serving(authority.issue("expired", "localhost", ends_in=-ONE_DAY)),
        "misnamed": serving(authority.issue("misnamed", "elsewhere.example")),
        "nameless": serving(authority.issue("localhost")),
        "mutual": requiring_certificates(authority.issue("mutual", "localhost"), authority),
        "plain": None,
    }
    with ExitStack() as stack:
        upstreams = {name: RawUpstream(context) for name, context in contexts.items()}
        for upstream in upstreams.values():
            stack.callback(upstream.stop)
        yield upstreams


@pytest.fixture(scope="module")
def tls_gateway(
    make_app: MakeApp, authority: Authority, servers: dict[str, RawUpstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """A gateway with a route to each server.

    `address` uses its IP address, `system` trusts the system's authorities, `anonymous` has no client certificate.
    """
    ca_file = f'ca_file = "{authority.file}"'
    client = authority.issue("client")
    client_files = f'\nclient_cert_file = "{client.cert}"\nclient_key_file = "{client.key}"'
    settings = {name: ("localhost", name, ca_file) for name in servers} | {
        "address": ("127.0.0.1", "good", ca_file),
        "system": ("localhost", "good", ""),
        "mutual": ("localhost", "mutual", ca_file + client_files),
        "anonymous": ("localhost", "mutual", ca_file),
    }
    routes = "".join(
        UPSTREAM.format(
            name=name,
            host=host,
            port=servers[server].port,
            rest=rest,
            connect=SHORT_CONNECT_TIMEOUT if name == "plain" else CONNECT_TIMEOUT,
        )
        for name, (host, server, rest) in settings.items()
    )
    file = tmp_path_factory.mktemp("routes") / "routes.toml"
    file.write_text('[upstreams.auth]\nurls = ["${AUTH_URL}"]\n' + routes)
    with running(make_app(GATEWAY_ROUTES=str(file))) as gateway:
        yield gateway


@pytest.fixture
def good(servers: dict[str, RawUpstream]) -> RawUpstream:
    servers["good"].begin()
    return servers["good"]


# --- accepted certificates ----------------------------------------------------------------------------------------


def test_requests_to_an_https_upstream_use_tls(
    tls_gateway: RunningGateway, good: RawUpstream, requested_names: list[str | None]
) -> None:
    """SNI is the upstream's name and not the request's Host, and the connection is reused."""
    requested_names.clear()
    assert [request_once(tls_gateway, "/good/").status for _ in range(4)] == [200] * 4
    assert requested_names == ["localhost"]
    assert good.last.get("host") == "h"


def test_a_certificate_may_be_for_an_address(tls_gateway: RunningGateway, good: RawUpstream) -> None:
    assert request_once(tls_gateway, "/address/").status == 200


def test_the_gateway_sends_its_client_certificate_on_request(
    tls_gateway: RunningGateway, servers: dict[str, RawUpstream]
) -> None:
    assert request_once(tls_gateway, "/mutual/").status == 200
    assert len(servers["mutual"].requests) == 1
    assert request_once(tls_gateway, "/anonymous/").status == 502
    assert len(servers["mutual"].requests) == 1


def test_large_bodies_are_forwarded_in_both_directions(tls_gateway: RunningGateway, good: RawUpstream) -> None:
    async def echo(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(ok(conversation.request.content()))

    good.begin(echo)
    body = bytes(range(256)) * (LARGE // 256)
    with tls_gateway.connect() as client:
        sending = threading.Thread(
            target=client.send,
            args=(b"POST /good/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body,),
        )
        sending.start()
        response = client.read_response("POST")
        sending.join()
    assert response.body == body


def test_websocket_messages_are_relayed_over_tls(make_app: MakeApp, authority: Authority, tmp_path: Path) -> None:
    """Also those larger than a TLS record."""
    context = serving(authority.issue("websockets", "localhost"))
    with websocket_service(ssl=context, max_size=None) as service:
        rest = f'ca_file = "{authority.file}"'
        port = service.url.rpartition(":")[2]
        route = UPSTREAM.format(name="talk", host="localhost", port=port, rest=rest, connect=CONNECT_TIMEOUT)
        (tmp_path / "routes.toml").write_text(route + "websocket = true\n")
        with (
            running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway,
            connect(f"ws://127.0.0.1:{gateway.port}/talk/", proxy=None, max_size=None, legacy=True) as client,
        ):
            for message in ("text", bytes(LARGE)):
                client.send(message)
                assert client.recv(WAIT) == message


@pytest.mark.parametrize(
    ("end", "whole"), [(Conversation.close, True), (Conversation.abort, False), (Conversation.reset, False)]
)
def test_a_connection_closed_without_close_notify_does_not_end_a_response(
    tls_gateway: RunningGateway, good: RawUpstream, end: Callable[[Conversation], None], whole: bool
) -> None:
    """RFC 9112 9.8: without a close_notify an attacker may have cut off the response."""

    async def cut(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\n\r\nall that there is, or half of it")
        await asyncio.sleep(0.05)  # so that the gateway has read it before the end
        end(conversation)

    good.begin(cut)
    response = request_once(tls_gateway, "/good/")
    assert (response.status, response.is_complete) == (200, whole)


@pytest.mark.parametrize("ending", ["close", "abort", "reset"])
def test_a_path_whose_responses_are_cut_off_over_tls_does_not_block_other_paths(
    make_app: MakeApp, authority: Authority, good: RawUpstream, tmp_path: Path, ending: str
) -> None:
    """With a close_notify, without one, and by a reset."""

    async def cut_off_bad_path(conversation: Conversation) -> None:
        if " /brittle/bad " in conversation.request.request_line:
            getattr(conversation, ending)()
        else:
            await conversation.write(ok())

    good.begin(cut_off_bad_path)
    rest = f'ca_file = "{authority.file}"'
    routes = UPSTREAM.format(name="brittle", host="localhost", port=good.port, rest=rest, connect=CONNECT_TIMEOUT)
    (tmp_path / "routes.toml").write_text(routes.replace("break_after = 0", "break_after = 2"))
    with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
        for _ in range(4):
            assert [request_once(gateway, "/brittle/bad").status for _ in range(3)] == [502] * 3
            assert request_once(gateway, "/brittle/good").status == 200


# --- refused certificates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stranger", "certificate refused: unable to get local issuer certificate"),
        ("system", "certificate refused: unable to get local issuer certificate"),
        ("expired", "certificate refused: certificate has expired"),
        ("misnamed", "certificate refused: Hostname mismatch, certificate is not valid for 'localhost'."),
        ("nameless", "certificate refused: Hostname mismatch, certificate is not valid for 'localhost'."),
        ("plain", "TimeoutError"),  # the server takes the TLS handshake for a request head and waits for its end
    ],
)
def test_a_server_that_fails_verification_receives_no_request(
    tls_gateway: RunningGateway, servers: dict[str, RawUpstream], name: str, reason: str
) -> None:
    """The client gets 502, and the reason is logged."""
    server = servers.get(name, servers["good"])
    server.begin(answering(ok()))
    with capture_logs() as lines:
        assert status_and_code(request_once(tls_gateway, f"/{name}/")) == (502, "upstream_unreachable")
    assert server.requests == []
    assert [(line["event"], line["upstream"]) for line in lines] == [("upstream_failing", name)]
    assert lines[0]["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("old", (502, "upstream_unreachable"), "TLS failed: TLSV1_ALERT_PROTOCOL_VERSION"),
        ("mutual", (502, "upstream_failed"), "TLS failed: TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    ],
)
def test_the_tls_alert_of_the_service_is_logged(
    make_app: MakeApp, authority: Authority, tmp_path: Path, name: str, status: tuple[int, str], reason: str
) -> None:
    """TLS below 1.2 is not supported. In TLS 1.3, a missing client certificate is reported after the handshake."""
    pair = authority.issue(f"refusing {name}", "localhost")
    context = limited_to_tls_1_1(pair) if name == "old" else requiring_certificates(pair, authority)
    with refusing_handshake(context) as port, capture_logs() as lines:
        rest = f'ca_file = "{authority.file}"'
        route = UPSTREAM.format(name=name, host="localhost", port=port, rest=rest, connect=CONNECT_TIMEOUT)
        (tmp_path / "routes.toml").write_text(route)
        with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
            assert status_and_code(request_once(gateway, f"/{name}/")) == status
    assert [line["reason"] for line in lines if line["event"] == "upstream_failing"] == [reason]
