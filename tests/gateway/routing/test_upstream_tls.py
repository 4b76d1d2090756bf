"""Upstreams over TLS: who is believed, and that nobody else is."""

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

from chassis.settings import SettingsError
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.single_requests import request_once, status_and_code
from tests.gateway.stand_ins.certificates import ONE_DAY, Authority, Pair
from tests.gateway.stand_ins.websocket_service import websocket_service

LARGE = 3_000_000
"""Bytes: more than all buffers on the way."""

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
SECONDS, SOON = 10, 0.5
"""To connect in: as many as a busy machine may need to shake hands, and few where nobody does."""


def serving(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


def of_yesterday(pair: Pair) -> ssl.SSLContext:
    """A server that speaks nothing newer than TLS 1.1."""
    context = serving(pair)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # Python says that it is old, which is what is wanted here
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def requiring_certificates(pair: Pair, authority: Authority) -> ssl.SSLContext:
    """A server that asks for certificates of this authority."""
    context = serving(pair)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def complaining(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server that is met once, says what it does not like, and waits for the other side to go."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT)

    def meet() -> None:
        connection, _ = listener.accept()
        connection.settimeout(WAIT)
        secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLError):
            secured.do_handshake()
        with socket.socket(fileno=secured.detach()) as bare:
            bare.settimeout(WAIT)
            while bare.recv(65_536):
                pass

    thread = threading.Thread(target=meet)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
        thread.join(WAIT)


@pytest.fixture(scope="module")
def stranger(authority: Authority) -> Authority:
    """Whom the gateway has no reason to believe."""
    return Authority(authority.folder, "theirs")


@pytest.fixture(scope="module")
def requested_names() -> list[str | None]:
    """The names (SNI) that the gateway requested from the good server."""
    return []


@pytest.fixture(scope="module")
def servers(
    authority: Authority, stranger: Authority, requested_names: list[str | None]
) -> Iterator[dict[str, RawUpstream]]:
    """Real TLS servers, good and bad."""
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
    """A gateway with a route to each, `address` by its number; `system` believes the system's authorities."""
    ours = f'ca_file = "{authority.file}"'
    client = authority.issue("client")
    shown = f'\nclient_cert_file = "{client.cert}"\nclient_key_file = "{client.key}"'
    settings = {name: ("localhost", name, ours) for name in servers} | {
        "address": ("127.0.0.1", "good", ours),
        "system": ("localhost", "good", ""),
        "mutual": ("localhost", "mutual", ours + shown),
        "anonymous": ("localhost", "mutual", ours),
    }
    routes = "".join(
        UPSTREAM.format(
            name=name, host=host, port=servers[server].port, rest=rest, connect=SOON if name == "plain" else SECONDS
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


# --- who is believed ----------------------------------------------------------------------------------------------


def test_a_service_is_spoken_to_over_tls(
    tls_gateway: RunningGateway, good: RawUpstream, requested_names: list[str | None]
) -> None:
    """By its name, which goes into SNI, whatever Host says; and its connection is kept."""
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


def test_large_bodies_cross_both_ways(tls_gateway: RunningGateway, good: RawUpstream) -> None:
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
        answer = client.read_response("POST")
        sending.join()
    assert answer.body == body


def test_websockets_cross_as_well(make_app: MakeApp, authority: Authority, tmp_path: Path) -> None:
    """In messages larger than a TLS record."""
    context = serving(authority.issue("websockets", "localhost"))
    with websocket_service(ssl=context, max_size=None) as service:
        rest = f'ca_file = "{authority.file}"'
        port = service.url.rpartition(":")[2]
        route = UPSTREAM.format(name="talk", host="localhost", port=port, rest=rest, connect=SECONDS)
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
    """RFC 9112 9.8: without TLS's own word for it, anybody on the way may have cut it."""

    async def cut(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\n\r\nall that there is, or half of it")
        await asyncio.sleep(0.05)  # so that its end does not overtake it
        end(conversation)

    good.begin(cut)
    answer = request_once(tls_gateway, "/good/")
    assert (answer.status, answer.is_complete) == (200, whole)


@pytest.mark.parametrize("ending", ["close", "vanish", "reset"])
def test_a_path_that_breaks_off_over_tls_shuts_no_other(
    make_app: MakeApp, authority: Authority, good: RawUpstream, tmp_path: Path, ending: str
) -> None:
    """With TLS's own word for the end or without."""

    async def breaking_off(conversation: Conversation) -> None:
        if " /brittle/bad " in conversation.request.request_line:
            getattr(conversation, ending)()
        else:
            await conversation.write(ok())

    good.begin(breaking_off)
    rest = f'ca_file = "{authority.file}"'
    routes = UPSTREAM.format(name="brittle", host="localhost", port=good.port, rest=rest, connect=SECONDS)
    (tmp_path / "routes.toml").write_text(routes.replace("break_after = 0", "break_after = 2"))
    with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
        for _ in range(4):
            assert [request_once(gateway, "/brittle/bad").status for _ in range(3)] == [502] * 3
            assert request_once(gateway, "/brittle/good").status == 200


@pytest.fixture(scope="module")
def auth_over_tls(authority: Authority, auth_answers: Script) -> Iterator[RawUpstream]:
    """An auth service that is met over TLS alone, by who has a certificate."""
    upstream = RawUpstream(requiring_certificates(authority.issue("auth", "localhost"), authority))
    upstream.begin(auth_answers)
    yield upstream
    upstream.stop()


def test_the_auth_service_is_called_over_tls(
    make_app: MakeApp, authority: Authority, auth_over_tls: RawUpstream, tmp_path: Path
) -> None:
    """A gateway that is ready has the keys, and has them from there."""
    (tmp_path / "routes.toml").write_text("")
    client = authority.issue("gateway")
    settings = {
        "AUTH_CA_FILE": authority.file,
        "AUTH_CLIENT_CERT_FILE": client.cert,
        "AUTH_CLIENT_KEY_FILE": client.key,
    }
    url = f"https://localhost:{auth_over_tls.port}"
    app = make_app(
        AUTH_URL=url,
        GATEWAY_ROUTES=str(tmp_path / "routes.toml"),
        **{name: str(file) for name, file in settings.items()},
    )
    with running(app) as gateway:
        assert request_once(gateway, "/readyz").status == 200
    assert auth_over_tls.requests[0].request_line == "GET /.well-known/jwks.json HTTP/1.1"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"AUTH_URL": "https://x", "AUTH_CA_FILE": "nowhere.pem"}, "AUTH_CA_FILE: .*nowhere.pem cannot be read"),
        ({"AUTH_URL": "https://x", "AUTH_CLIENT_CERT_FILE": "c.pem"}, "AUTH_CLIENT_KEY_FILE must be set together"),
        ({"AUTH_URL": "http://x", "AUTH_CA_FILE": "c.pem"}, "AUTH_CA_FILE, .* need an https://"),
    ],
)
def test_what_is_wrong_about_the_auth_service_stops_the_start(
    make_app: MakeApp, settings: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        make_app(**settings)


# --- and who is not -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stranger", "certificate refused: unable to get local issuer certificate"),
        ("system", "certificate refused: unable to get local issuer certificate"),
        ("expired", "certificate refused: certificate has expired"),
        ("misnamed", "certificate refused: Hostname mismatch, certificate is not valid for 'localhost'."),
        ("nameless", "certificate refused: Hostname mismatch, certificate is not valid for 'localhost'."),
        ("plain", "TimeoutError"),  # it waits for the end of what it takes for a request
    ],
)
def test_a_server_that_fails_verification_receives_nothing(
    tls_gateway: RunningGateway, servers: dict[str, RawUpstream], name: str, reason: str
) -> None:
    """502, and the log says why."""
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
def test_what_the_service_complains_of_is_in_the_log(
    make_app: MakeApp, authority: Authority, tmp_path: Path, name: str, status: tuple[int, str], reason: str
) -> None:
    """TLS below 1.2 is not spoken. TLS 1.3 says that our certificate is missing once the connection is made."""
    pair = authority.issue(f"complaining {name}", "localhost")
    context = of_yesterday(pair) if name == "old" else requiring_certificates(pair, authority)
    with complaining(context) as port, capture_logs() as lines:
        rest = f'ca_file = "{authority.file}"'
        route = UPSTREAM.format(name=name, host="localhost", port=port, rest=rest, connect=SECONDS)
        (tmp_path / "routes.toml").write_text(route)
        with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
            assert status_and_code(request_once(gateway, f"/{name}/")) == status
    assert [line["reason"] for line in lines if line["event"] == "upstream_failing"] == [reason]
