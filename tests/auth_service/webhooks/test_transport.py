"""A webhook goes to the address that was checked, within a time, and a private one is refused."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from auth_service.webhooks.target_address import is_public
from auth_service.webhooks.transport import NotSent, WebhookTransport
from tests.gateway.stand_ins.certificates import Authority

ADDRESSES = {
    "93.184.216.34": True,
    "2606:2800:220:1:248:1893:25c8:1946": True,
    "127.0.0.1": False,
    "127.8.9.1": False,
    "0.0.0.0": False,
    "10.1.2.3": False,
    "172.16.0.1": False,
    "192.168.1.1": False,
    "100.64.0.1": False,
    "169.254.169.254": False,
    "224.0.0.1": False,
    "255.255.255.255": False,
    "192.0.2.1": False,
    "198.18.0.1": False,
    "240.0.0.1": False,
    "::1": False,
    "::": False,
    "fe80::1": False,
    "fe80::1%eth0": False,
    "fc00::1": False,
    "fd12:3456::1": False,
    "fec0::1": False,
    "ff02::1": False,
    "2001:db8::1": False,
    "::ffff:127.0.0.1": False,
    "::ffff:169.254.169.254": False,
    "::ffff:93.184.216.34": True,
    "64:ff9b::7f00:1": False,
    "64:ff9b::5db8:d822": True,
    "64:ff9b:1::1": False,
    "2002:7f00:1::": False,
    "2002:a9fe:a9fe::1": False,
    "::127.0.0.1": False,
    "not an address": False,
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.items())
def test_only_addresses_of_the_internet_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def resolving(*addresses: str) -> Callable[..., Sequence[tuple[Any, ...]]]:
    """Return a resolver that gives every host these addresses."""
    return lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept one connection after the other and answer it; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def read_request(connection: socket.socket) -> None:
    """Read a request with the body `{}`, which arrives in two parts."""
    received = b""
    while not received.endswith(b"{}"):
        received += connection.recv(65_536)


def accept(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def post(transport: WebhookTransport, url: str) -> int:
    return transport.post(url, {"webhook-id": "msg_1"}, b"{}").status


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("93.184.216.34", "169.254.169.254"), ("::ffff:10.0.0.1",)])
def test_a_host_with_a_private_address_is_refused_without_a_connection(addresses: tuple[str, ...]) -> None:
    connections: list[socket.socket] = []
    with server(connections.append) as port:
        transport = WebhookTransport(allow_private=False, resolve=resolving(*addresses))
        with pytest.raises(NotSent, match="is not a public address; WEBHOOKS_ALLOW_PRIVATE=on allows it"):
            post(transport, f"http://crm.example.org:{port}/")
    assert connections == []


def test_an_address_in_the_url_is_checked_like_that_of_a_name() -> None:
    transport = WebhookTransport(allow_private=False)
    for host in ("127.0.0.1", "[::1]", "localhost", "0x7f000001", "2130706433"):
        with pytest.raises(NotSent, match=r"is not a public address|cannot be resolved"):
            post(transport, f"https://{host}/")


def test_the_host_is_resolved_once_and_the_connection_is_made_to_what_was_checked() -> None:
    """A second look-up could have another result (DNS rebinding)."""
    lookups: list[str] = []

    def resolve(host: str, port: int, **options: object) -> Sequence[tuple[Any, ...]]:
        lookups.append(host)
        return resolving("127.0.0.1")(host, port)

    with server(accept) as port:
        transport = WebhookTransport(allow_private=True, resolve=resolve)
        assert post(transport, f"http://crm.example.org:{port}/") == 204
    assert lookups == ["crm.example.org"]


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    with server(accept) as port:
        assert post(WebhookTransport(allow_private=True), f"http://127.0.0.1:{port}/") == 204


def test_the_certificate_must_be_for_the_name_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path, "authority")
    certificate = authority.issue("crm", "crm.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    def accept_tls(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                accept(secured)
        except OSError:
            return

    with server(accept_tls) as port:
        transport = WebhookTransport(allow_private=True, resolve=resolving("127.0.0.1"))
        assert post(transport, f"https://crm.example.org:{port}/") == 204
        with pytest.raises(NotSent, match="the certificate is not valid"):
            post(transport, f"https://other.example.org:{port}/")


def drip(connection: socket.socket) -> None:
    """Send a byte of a header now and then, so that no single read takes long."""
    read_request(connection)
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            time.sleep(0.05)
            connection.sendall(b"x")
    except OSError:
        return


def hold(connection: socket.socket) -> None:
    """Answer nothing until the client has gone."""
    while connection.recv(65_536):
        pass


@pytest.mark.parametrize(("scheme", "answer"), [("http", drip), ("http", hold), ("https", hold)])
def test_an_attempt_ends_at_its_deadline(scheme: str, answer: Callable[[socket.socket], None]) -> None:
    with server(answer) as port:
        began = time.monotonic()
        with pytest.raises(NotSent, match=r"there was no response in time|the connection failed"):
            post(WebhookTransport(allow_private=True, total_seconds=0.3), f"{scheme}://127.0.0.1:{port}/")
        assert time.monotonic() - began < 10


def test_a_success_counts_although_its_body_never_ends() -> None:
    def accept_and_stop(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        hold(connection)

    with server(accept_and_stop) as port:
        assert post(WebhookTransport(allow_private=True, total_seconds=5), f"http://127.0.0.1:{port}/") == 200


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\xff" * 100_000])
def test_what_is_not_http_is_a_failure(garbage: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        read_request(connection)
        try:
            connection.sendall(garbage)
        except OSError:
            return

    with server(answer) as port, pytest.raises(NotSent):
        post(WebhookTransport(allow_private=True), f"http://127.0.0.1:{port}/")


def test_a_refused_connection_says_so_without_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotSent, match=r"^the connection failed: Connection refused$"):
        post(WebhookTransport(allow_private=True), f"http://127.0.0.1:{port}/secret")
