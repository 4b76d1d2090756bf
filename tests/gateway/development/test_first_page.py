"""The first page of a gateway in development, its files, the health of the parts, and the mailbox."""

import json
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.development.conftest import Development
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running

States = Callable[..., dict[str, tuple[str, str]]]

FILES = ["page.css", "console.js", "exchange.js", "faults.js", "flow.js", "health.js", "tokens.js"]


def get(gateway: RunningGateway, path: str, method: str = "GET") -> RawResponse:
    return single_request(gateway.port, f"{method} {path} HTTP/1.1", "Host: gateway")


def routes_file(folder: Path, *tables: str) -> str:
    (folder / "routes.toml").write_text(routes_toml(AUTH_UPSTREAM, NOTES_UPSTREAM, *tables))
    return str(folder / "routes.toml")


@pytest.mark.parametrize("path", ["/", "/development", "/development/"])
def test_the_page_is_served_at_the_root_and_at_development(development: Development, path: str) -> None:
    response = get(development.gateway, path)
    assert (response.status, response.get("content-type")) == (200, "text/html; charset=utf-8")
    assert b"The gateway is running" in response.body
    assert response.get("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/", "/development/", "/development/health", "/development/mails/"])
def test_without_development_nothing_is_served(gateway: RunningGateway, path: str) -> None:
    assert get(gateway, path).problem["code"] == "not_found"


def test_a_route_at_the_root_wins(make_app: MakeApp, upstream: RawUpstream, tmp_path: Path) -> None:
    routes = routes_file(tmp_path, route_table("/", "public"))
    with running(make_app(DEVELOPMENT="on", GATEWAY_ROUTES=routes)) as gateway:
        assert get(gateway, "/").body == b"ok"
        assert b"The gateway is running" in get(gateway, "/development/").body


@pytest.mark.parametrize("path", ["/", "/development/mails/"])
def test_a_page_has_a_strict_policy_and_nothing_inline(development: Development, path: str) -> None:
    response = get(development.gateway, path)
    policy = response.get("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    page = response.body.decode()
    assert not re.search(r"<style|style=|\son\w+=|<script(?! type=\"module\" src=\"/)", page)
    assert not re.search(r"(?:src|href)=\"(?!/|data:,)", page), "nothing comes from elsewhere"


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_the_page_have_their_media_types(development: Development, name: str) -> None:
    response = get(development.gateway, f"/development/{name}")
    expected = "text/css" if name.endswith(".css") else "text/javascript"
    assert (response.status, response.get("content-type")) == (200, f"{expected}; charset=utf-8")


def test_the_page_names_every_file() -> None:
    folder = Path(__file__).parents[3] / "gateway" / "development" / "static"
    assert sorted(FILES) == sorted(file.name for file in folder.iterdir())


def test_other_files_are_not_served(development: Development) -> None:
    for path in ("/development/first_page.html", "/development/../app.py", "/development/static/page.css"):
        assert get(development.gateway, path).status in (400, 404)


@pytest.fixture
def states(make_app: MakeApp, upstream: RawUpstream, tmp_path: Path) -> States:
    """`states(**settings)` returns the state and the detail of each part by its name."""

    def read(**settings: str) -> dict[str, tuple[str, str]]:
        routes = routes_file(tmp_path, route_table("/api/"), route_table("/auth/", "public", upstream="auth"))
        app = make_app(DEVELOPMENT="on", GATEWAY_ROUTES=routes, **settings)
        with running(app, until="/healthz") as gateway:
            parts = json.loads(get(gateway, "/development/health").body)["parts"]
        return {part["name"]: (part["state"], part["detail"]) for part in parts}

    return read


def answering(status: int, document: object) -> Script:
    """Return the script of a service that always answers `document`."""

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        await conversation.write(head.encode() + body)

    return script


def test_a_service_that_does_not_answer_is_down(states: States) -> None:
    found = states(AUTH_URL="unix:/nonexistent/auth.sock", RESOURCE_URL="http://127.0.0.1:1")
    assert found["auth service"][0] == found["notes service"][0] == "down"
    assert found["gateway"] == ("degraded", "Not ready: signing keys.")
    assert found["SQL"][0] == "unknown"
    assert found["Redis"] == ("up", "")


def test_a_database_that_fails_is_named(states: States, upstream: RawUpstream) -> None:
    upstream.begin(answering(503, {"status": "not ready", "failing": ["database"]}))
    found = states()
    assert found["notes service"] == ("degraded", "Not ready: database.")
    assert found["SQL"] == ("down", "The database of notes does not answer.")


def test_a_service_may_have_no_readiness_endpoint(states: States, upstream: RawUpstream) -> None:
    upstream.begin(answering(404, {"detail": "nothing here"}))
    assert states()["notes service"] == ("up", "Answers; it has no /readyz.")
    upstream.begin(answering(500, ["no object"]))
    assert states()["notes service"] == ("degraded", "/readyz answers 500.")


def test_a_service_that_works_without_a_component_is_degraded(states: States, upstream: RawUpstream) -> None:
    upstream.begin(answering(200, {"status": "ready", "degraded": ["redis"]}))
    assert states()["notes service"] == ("degraded", "Works without: redis.")


def test_redis_that_does_not_answer_is_down(states: States) -> None:
    state, detail = states(REDIS_URL="redis://127.0.0.1:1")["Redis"]
    assert state == "down"
    assert detail.startswith("ConnectionError. ")


@pytest.fixture
def mail_gateway(make_app: MakeApp, tmp_path: Path) -> Iterator[tuple[RunningGateway, Path]]:
    (tmp_path / "mail").mkdir()
    routes = routes_file(tmp_path, route_table("/api/", "public"))
    with running(make_app(DEVELOPMENT="on", GATEWAY_ROUTES=routes, DATA_DIR=str(tmp_path))) as gateway:
        yield gateway, tmp_path / "mail"


def test_kept_mails_are_shown_with_their_links(mail_gateway: tuple[RunningGateway, Path]) -> None:
    gateway, folder = mail_gateway
    assert b"There are none yet." in get(gateway, "/development/mails").body
    message = EmailMessage()
    message["To"], message["Subject"] = "ann@example.com", "<script>Activate</script>"
    message.set_content("Open http://localhost:8000/auth/activate/confirm/?uid=1&token=2\n<b>now</b>\n")
    (folder / "1.eml").write_bytes(message.as_bytes())
    (folder / "2.eml").write_bytes(b"\xff\xfe no mail")
    page = get(gateway, "/development/mails").body.decode()
    assert '<a href="http://localhost:8000/auth/activate/confirm/?uid=1&amp;token=2" ' in page
    assert "&lt;script&gt;Activate" in page
    assert "<b>now" not in page


@pytest.mark.parametrize("path", ["/", "/development/mails/", "/development/faults", "/development/page.css"])
def test_a_page_of_a_rebound_name_can_read_nothing(development: Development, path: str) -> None:
    response = single_request(development.gateway.port, f"GET {path} HTTP/1.1", "Host: rebound.example:8000")
    assert (response.status, response.problem["code"]) == (403, "cross_site")
    assert "The Host rebound.example is no name of this machine" in response.problem["detail"]


@pytest.mark.parametrize(
    "host", ["localhost:8000", "app.localhost", "127.0.0.1:8000", "[::1]:8000", "192.168.0.7", "gateway"]
)
def test_a_local_name_and_an_address_can_read_the_page(development: Development, host: str) -> None:
    assert single_request(development.gateway.port, "GET / HTTP/1.1", f"Host: {host}").status == 200


def test_the_host_of_the_public_url_can_read_the_page(make_app: MakeApp) -> None:
    with running(make_app(DEVELOPMENT="on", PUBLIC_URL="http://box.home.arpa:8000")) as gateway:
        assert single_request(gateway.port, "GET / HTTP/1.1", "Host: box.home.arpa:8000").status == 200
