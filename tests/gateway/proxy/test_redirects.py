"""The Host that the gateway sends to an upstream, and the URLs that it rewrites in responses."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import make_server

from gateway.proxy.redirects import rewrite_urls
from gateway.routing.errors import RoutesError
from gateway.routing.loader import parse_routes
from gateway.routing.routes import HOST_CLIENT, HOST_UPSTREAM, Route
from tests.docs.code_blocks import code_block
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering
from tests.gateway.running_gateway import RunningGateway, running

ROUTES = """
[upstreams.service]
urls = ["{url}", "http://other.internal:9000"]
eject_after = 0
break_after = 0
{more}

[[routes]]
prefix = "/service/"
upstream = "service"
access = "public"

[[routes]]
prefix = "/stripped/"
upstream = "service"
access = "public"
strip_prefix = true

[[routes]]
prefix = "/replaced/"
upstream = "service"
access = "public"
replace_prefix = "/other/place/"
"""


def route(prefix: str = "/service/", url: str = "http://10.0.0.5:8001", more: str = "") -> Route:
    """Return the route at `prefix` to an upstream at `url`; `more` are lines for the upstream's table."""
    text = ROUTES.format(url=url, more=more)
    found = parse_routes(text, environ={}, data_dir=Path("/nowhere")).match(prefix.encode())
    assert found is not None
    return found


def location(
    url: str, at: Route, host: bytes | None = b"app.example", scheme: str = "https", name: bytes = b"location"
) -> str:
    """Return the URL to which `url` is rewritten for a request with this Host and scheme."""
    (found,) = rewrite_urls([(name, url.encode("latin-1"))], at, host, scheme)
    return found[1].decode("latin-1")


# --- rewriting of URLs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "rewritten"),
    [
        ("http://10.0.0.5:8001/service/a?b#c", "/service/a?b#c"),
        ("HTTP://10.0.0.5:8001/service/", "/service/"),
        ("http://10.0.0.5:8001", "/"),
        ("http://10.0.0.5:8001?a", "/?a"),
        ("//10.0.0.5:8001/a", "/a"),
        ("http://other.internal:9000/a", "/a"),
        ("http://Other.Internal:9000/a", "/a"),
        ("http://app.example/a", "/a"),
        ("http://APP.example:80/a", "/a"),
        ("https://app.example/a", "/a"),
        ("http://10.0.0.5:8001//evil.example/", "/.//evil.example/"),
        ("http://10.0.0.5:8001/\\evil.example/", "/./\\evil.example/"),
        ("http://10.0.0.5:8001/\t/evil.example/", "http://10.0.0.5:8001/\t/evil.example/"),
        ("http://10.0.0.5:8002/a", "http://10.0.0.5:8002/a"),
        ("http://10.0.0.5/a", "http://10.0.0.5/a"),
        ("http://10.0.0.5:8001@evil.example/a", "http://10.0.0.5:8001@evil.example/a"),
        ("http://user@10.0.0.5:8001/a", "http://user@10.0.0.5:8001/a"),
        ("http://10.0.0.5:8001.evil.example/a", "http://10.0.0.5:8001.evil.example/a"),
        ("http://10.0.0.5:999999/a", "http://10.0.0.5:999999/a"),
        ("http://[::1/a", "http://[::1/a"),
        ("https://elsewhere.example/", "https://elsewhere.example/"),
        ("myapp://10.0.0.5:8001/a", "myapp://10.0.0.5:8001/a"),
        ("/service/a", "/service/a"),
        ("a/../b?c", "a/../b?c"),
        ("", ""),
    ],
)
def test_a_url_of_the_upstream_becomes_a_path(url: str, rewritten: str) -> None:
    """Every other URL is unchanged."""
    assert location(url, route()) == rewritten


@pytest.mark.parametrize(
    ("url", "rewritten"),
    [
        ("http://10.0.0.5:8001/a", "/stripped/a"),
        ("http://app.example/a", "/stripped/a"),
        ("/a?b", "/stripped/a?b"),
        ("/", "/stripped/"),
        ("http://10.0.0.5:8001?a", "/stripped/?a"),
        ("/stripped/a", "/stripped/a"),
        ("/stripped", "/stripped"),
        ("/strippedx", "/stripped/strippedx"),
        ("http://10.0.0.5:8001//evil.example/", "/stripped//evil.example/"),
        ("a", "a"),
        ("../a", "../a"),
        ("//elsewhere.example/", "//elsewhere.example/"),
        ("https://elsewhere.example/a", "https://elsewhere.example/a"),
    ],
)
def test_a_stripped_prefix_is_added_once(url: str, rewritten: str) -> None:
    """A service that reads X-Forwarded-Prefix has added it already."""
    assert location(url, route("/stripped/")) == rewritten


@pytest.mark.parametrize(
    ("url", "rewritten"),
    [
        ("http://10.0.0.5:8001/other/place/a?b", "/replaced/a?b"),
        ("/other/place/", "/replaced/"),
        ("/other/place", "/replaced"),
        ("/other/place//evil.example/", "/replaced//evil.example/"),
        ("/other/placebo", "/other/placebo"),
        ("http://10.0.0.5:8001/elsewhere", "/elsewhere"),
        ("http://10.0.0.5:8001//evil.example/", "/.//evil.example/"),
        ("/replaced/a", "/replaced/a"),
        ("//elsewhere.example/", "//elsewhere.example/"),
    ],
)
def test_a_replaced_prefix_is_put_back(url: str, rewritten: str) -> None:
    """A path of the service outside the replacement is the same path at the gateway."""
    assert location(url, route("/replaced/")) == rewritten


def test_a_redirect_from_http_to_https_on_the_same_host_is_unchanged() -> None:
    assert location("https://app.example/a", route(), scheme="http") == "https://app.example/a"


@pytest.mark.parametrize(
    ("url", "service", "host", "scheme", "rewritten"),
    [
        ("http://app.example:8001/a/", "http://10.0.0.5:8001", b"app.example", "https", "/a/"),
        ("http://app.example:8001/a/", "http://10.0.0.5:8001", b"APP.example:8000", "http", "/a/"),
        ("http://[::1]:8001/a/", "http://10.0.0.5:8001", b"[::1]:8000", "http", "/a/"),
        ("http://app.example/a/", "http://10.0.0.5", b"app.example:8000", "http", "/a/"),
        ("https://app.example:8443/a/", "https://10.0.0.5:8443", b"app.example:8000", "http", "/a/"),
        ("https://app.example/a/", "https://10.0.0.5", b"app.example:8000", "https", "/a/"),
        ("https://app.example/a/", "https://10.0.0.5", b"app.example:8000", "http", None),
        ("https://app.example/a/", "http://10.0.0.5", b"app.example:8000", "https", None),
        ("http://app.example/a/", "unix:/run/service.sock", b"app.example:8000", "http", None),
        ("http://app.example:8002/a/", "http://10.0.0.5:8001", b"app.example", "https", None),
        ("http://elsewhere.example:8001/a/", "http://10.0.0.5:8001", b"app.example", "https", None),
        ("http://app.example:8001/a/", "http://10.0.0.5:8001", None, "https", None),
    ],
)
def test_a_url_of_the_requested_host_with_the_upstreams_port_becomes_a_path(
    url: str, service: str, host: bytes | None, scheme: str, rewritten: str | None
) -> None:
    """nginx builds such a URL from the request's Host and its own port. None: the URL is unchanged."""
    assert location(url, route(url=service), host=host, scheme=scheme) == (rewritten or url)


def test_a_url_of_the_configured_host_becomes_a_path() -> None:
    assert location("http://shop.internal/a", route(more='host = "shop.internal"')) == "/a"
    assert location("https://shop.internal/a", route(more='host = "shop.internal"')) == "/a"


@pytest.mark.parametrize(
    ("refresh", "rewritten"),
    [
        ("5; url=http://10.0.0.5:8001/a", "5; url=/a"),
        ("0;URL='http://10.0.0.5:8001/a'", "0;URL='/a'"),
        ('0, url="/a"', '0, url="/a"'),
        ("5", "5"),
        ("5; url=https://elsewhere.example/", "5; url=https://elsewhere.example/"),
    ],
)
def test_the_url_in_refresh_is_rewritten(refresh: str, rewritten: str) -> None:
    assert location(refresh, route(), name=b"refresh") == rewritten


_PIECES = st.sampled_from(
    [
        "http:",
        "https:",
        "/",
        "//",
        "\\",
        "10.0.0.5:8001",
        "app.example",
        "evil.example",
        "@",
        "?",
        "#",
        "a",
        "\t",
        ".",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join), st.sampled_from(["/service/", "/stripped/"]))
def test_a_rewritten_url_never_leads_to_another_host(url: str, prefix: str) -> None:
    """A browser resolves a changed URL to the gateway, and an unchanged one to the host that the upstream named."""
    rewritten = location(url, route(prefix))
    if rewritten != url:
        read = re.sub(r"[\t\r\n]", "", rewritten).replace("\\", "/")
        assert urlsplit(urljoin("https://app.example/service/x", read)).netloc == "app.example"


# --- the Host for the upstream ------------------------------------------------------------------------------------


@pytest.mark.parametrize("invalid", ["", "a b", "http://a", "a:99999", "a/b", "a\\r\\nX: y"])
def test_an_invalid_host_in_the_routes_file_stops_the_start(invalid: str) -> None:
    with pytest.raises(RoutesError, match=re.escape("upstreams.service.host")):
        route(more=f'host = "{invalid}"')


@pytest.mark.parametrize(
    ("url", "more", "host"),
    [
        ("http://a:1", "", HOST_CLIENT),
        ("http://a:1", "identity = false", HOST_CLIENT),
        ("https://a:1", "", HOST_CLIENT),
        ("https://a:1", 'host = "upstream"', HOST_UPSTREAM),
        ("https://a:1", 'identity = false\nhost = "client"', HOST_CLIENT),
    ],
)
def test_an_upstream_gets_the_clients_host_unless_host_is_upstream(url: str, more: str, host: str) -> None:
    assert route(url=url, more=more).upstream.host == host


def test_an_upstream_without_identity_over_tls_gets_its_own_host() -> None:
    """A service of another operator knows only its own name, not that of the gateway."""
    text = '[upstreams.weather]\nurls = ["https://api.weather.example"]\nidentity = false\n'
    text += '[[routes]]\nprefix = "/"\nupstream = "weather"\naccess = "public"\n'
    assert parse_routes(text, environ={}, data_dir=Path("/nowhere")).upstreams()[0].host == HOST_UPSTREAM


@pytest.fixture(params=["", 'host = "client"', 'host = "upstream"', 'host = "shop.internal:81"'])
def gateway_with_host(
    request: pytest.FixtureRequest, make_app: MakeApp, upstream: RawUpstream, tmp_path: Path
) -> Iterator[tuple[RunningGateway, str]]:
    """A gateway, and the Host that its upstream gets when a client requests `app.example:8000`."""
    text = ROUTES.format(url=upstream.url, more=request.param).replace(', "http://other.internal:9000"', "")
    (tmp_path / "routes.toml").write_text(text)
    expected = {
        'host = "upstream"': f"127.0.0.1:{upstream.port}",
        'host = "shop.internal:81"': "shop.internal:81",
    }.get(request.param, "app.example:8000")
    with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
        yield gateway, expected


def test_an_upstream_gets_the_host_that_its_setting_chooses(
    gateway_with_host: tuple[RunningGateway, str], upstream: RawUpstream
) -> None:
    """On the first request, on a kept-alive connection, and with a cached head."""
    gateway, expected = gateway_with_host
    for name in ("app.example:8000", "other.example"):
        with gateway.connect() as client:
            for _ in range(4):
                assert client.request("GET /service/ HTTP/1.1", f"Host: {name}").status == 200
                assert upstream.last.get("host") == (name if expected == "app.example:8000" else expected)
                assert upstream.last.get("x-forwarded-host") == name
    with gateway.connect() as client:
        assert client.request("GET /service/ HTTP/1.0").status == 200
    assert upstream.last.get("host") == (f"127.0.0.1:{upstream.port}" if expected == "app.example:8000" else expected)


def test_an_invalid_host_reaches_no_upstream(
    gateway_with_host: tuple[RunningGateway, str], upstream: RawUpstream
) -> None:
    gateway, _ = gateway_with_host
    for invalid in ("a b", "a/b", "a@b", "a\tb", "é", "a,b"):
        with gateway.connect() as client:
            assert client.request("GET /service/ HTTP/1.1", f"Host: {invalid}").status == 400
    assert upstream.requests == []


def get_three_times(gateway: RunningGateway, target: str) -> list[RawResponse]:
    """Return three responses to one request on one connection: in a task, by callbacks, and with cached heads."""
    with gateway.connect() as client:
        return [client.request(f"GET {target} HTTP/1.1", "Host: app.example") for _ in range(3)]


def test_a_redirect_is_rewritten_in_a_task_by_callbacks_and_with_cached_heads(
    gateway_with_host: tuple[RunningGateway, str], upstream: RawUpstream
) -> None:
    gateway, _ = gateway_with_host
    fields = (
        f"Location: {upstream.url}/a\r\nContent-Location: {upstream.url}/b\r\nRefresh: 1;url={upstream.url}/c\r\n"
    )
    upstream.begin(answering(f"HTTP/1.1 302 Found\r\n{fields}Content-Length: 2\r\n\r\nok".encode()))
    for answer in get_three_times(gateway, "/stripped/"):
        names = ("location", "content-location", "refresh")
        assert [answer.get(name) for name in names] == ["/stripped/a", "/stripped/b", "1;url=/stripped/c"]
        assert answer.body == b"ok"


def test_the_host_of_one_client_is_never_in_the_redirect_of_another(
    gateway_with_host: tuple[RunningGateway, str], upstream: RawUpstream
) -> None:
    """The upstream sends the same bytes to clients that requested different hosts."""
    gateway, _ = gateway_with_host
    upstream.begin(answering(b"HTTP/1.1 302 F\r\nLocation: http://one.example/a\r\nContent-Length: 0\r\n\r\n"))
    with gateway.connect() as client:
        for _ in range(3):
            for host, rewritten in (("one.example", "/a"), ("two.example", "http://one.example/a")):
                answer = client.request("GET /service/ HTTP/1.1", f"Host: {host}")
                assert answer.get("location") == rewritten


# --- the service of docs/your-own-service.md --------------------------------------------------------------------

GUIDE = "docs/your-own-service.md"


def test_a_redirect_that_adds_a_slash_leads_to_the_gateway(
    make_app: MakeApp, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service of the guide, requested without the slash, redirects to its path at the gateway."""
    monkeypatch.chdir(tmp_path)
    secrets = tmp_path / ".data"
    secrets.mkdir()
    (secrets / "reports.secret").write_text("0123456789abcdef" * 4)
    monkeypatch.setenv("IDENTITY_SECRET_FILE", str(secrets / "reports.secret"))
    monkeypatch.setenv("IDENTITY_AUDIENCE", "reports")
    names: dict[str, object] = {"__name__": "reports"}
    exec(compile(code_block(GUIDE, "python"), GUIDE, "exec"), names)
    app = names["app"]
    assert isinstance(app, Flask)
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        text = code_block(GUIDE, "toml").replace("http://127.0.0.1:9000", f"http://127.0.0.1:{server.port}")
        (tmp_path / "routes.toml").write_text(text)
        routes = {"GATEWAY_ROUTES": str(tmp_path / "routes.toml"), "DATA_DIR": str(secrets)}
        with running(make_app(**routes)) as gateway, gateway.connect() as client:
            fields = ("Host: app.example:8000", f"Authorization: Bearer {token}")
            answer = client.request("GET /reports HTTP/1.1", *fields)
            assert (answer.status, answer.get("location")) == (308, "/reports/")
            assert client.request("GET /reports/ HTTP/1.1", *fields).status == 200
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
