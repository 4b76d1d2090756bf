"""/app/: the built files of a single-page app, from the folder APP_DIR."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chassis.settings import SettingsError
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.routes_toml import NOTES_UPSTREAM, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running

INDEX = '<!doctype html><meta name="csp-nonce" content="CSP_NONCE"><app-root ngCspNonce="CSP_NONCE"></app-root>'
SCRIPT = b"import('./chunk.js')"
NAVIGATION = ("Sec-Fetch-Mode: navigate", "Accept: text/html,*/*;q=0.8")
SCRIPT_REQUEST = ("Sec-Fetch-Mode: cors", "Accept: */*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist") / "app"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    for name in (
        "main-ABCD2345.js",
        "assets/index-BnjpXGv1.js",
        "assets/logo.svg",
        "screenshot-20260101.png",
        "x.bin",
    ):
        (folder / name).write_bytes(SCRIPT)
    (folder / "main-ABCD2345.js.br").write_bytes(b"brotli")
    (folder / "main-ABCD2345.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / ".env").write_text("SECRET=1")
    (folder.parent / "outside.txt").write_text("outside")
    (folder / "link.txt").symlink_to(folder.parent / "outside.txt")
    (folder / "circle.txt").symlink_to(folder / "circle.txt")
    return folder


@pytest.fixture(scope="module")
def served(make_app: MakeApp, folder: Path) -> Iterator[RunningGateway]:
    with running(make_app(APP_DIR=str(folder))) as gateway:
        yield gateway


def get(served: RunningGateway, path: str, *fields: str, method: str = "GET") -> RawResponse:
    return single_request(served.port, f"{method} {path} HTTP/1.1", "Host: gateway", *fields)


@pytest.mark.parametrize("path", ["/app/", "/app/index.html", "/app/home", "/app/users/ann@example.com", "/app/?a=1"])
def test_a_navigation_gets_index_html(served: RunningGateway, path: str) -> None:
    response = get(served, path, *NAVIGATION)
    assert (response.status, response.get("content-type")) == (200, "text/html; charset=utf-8")
    assert b"<app-root" in response.body
    assert response.get("cache-control") == "no-cache"


def test_the_path_without_its_slash_leads_to_the_app(served: RunningGateway) -> None:
    response = get(served, "/app?a=1", *NAVIGATION)
    assert (response.status, response.get("location")) == (308, "/app/?a=1")


@pytest.mark.parametrize("fields", [NAVIGATION, SCRIPT_REQUEST, ()])
def test_a_missing_file_is_404_and_is_not_cached(served: RunningGateway, fields: tuple[str, ...]) -> None:
    response = get(served, "/app/main-ZZZZ2345.js", *fields)
    assert (response.status, response.get("cache-control")) == (404, "no-store")


def test_a_page_of_the_app_is_404_for_a_script(served: RunningGateway) -> None:
    assert get(served, "/app/home", *SCRIPT_REQUEST).status == 404


@pytest.mark.parametrize(
    ("name", "cache_control"),
    [
        ("main-ABCD2345.js", "public, max-age=31536000, immutable"),
        ("assets/index-BnjpXGv1.js", "public, max-age=31536000, immutable"),
        ("assets/logo.svg", "no-cache"),
        ("screenshot-20260101.png", "no-cache"),
    ],
)
def test_files_with_a_hash_in_their_names_are_cached_for_good(
    served: RunningGateway, name: str, cache_control: str
) -> None:
    response = get(served, f"/app/{name}")
    assert (response.status, response.get("cache-control")) == (200, cache_control)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("main-ABCD2345.js", "text/javascript; charset=utf-8"),
        ("assets/logo.svg", "image/svg+xml; charset=utf-8"),
        ("x.bin", "application/octet-stream"),
    ],
)
def test_files_have_their_media_types(served: RunningGateway, name: str, media_type: str) -> None:
    response = get(served, f"/app/{name}", *SCRIPT_REQUEST)
    assert response.get("content-type") == media_type
    assert response.get("x-content-type-options") == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("identity", None)],
)
def test_a_client_gets_the_compressed_file_that_it_accepts(
    served: RunningGateway, accepted: str, coding: str | None
) -> None:
    response = get(served, "/app/main-ABCD2345.js", f"Accept-Encoding: {accepted}")
    assert response.get("content-encoding") == coding
    assert "Accept-Encoding" in response.get_all("vary")
    assert response.get("content-type") == "text/javascript; charset=utf-8"
    assert response.get("content-disposition") == "inline; filename=main-ABCD2345.js"
    assert response.body == {"br": b"brotli", None: SCRIPT}.get(coding, response.body)


def test_an_unchanged_file_is_304(served: RunningGateway) -> None:
    first = get(served, "/app/assets/logo.svg")
    second = get(served, "/app/assets/logo.svg", f"If-None-Match: {first.get('etag')}")
    assert (second.status, second.body) == (304, b"")


def test_compressed_and_plain_file_have_different_validators(served: RunningGateway) -> None:
    plain, compressed = (
        get(served, "/app/main-ABCD2345.js", f"Accept-Encoding: {coding}").get("etag")
        for coding in ("identity", "br")
    )
    assert plain != compressed


def test_a_part_of_a_file_is_206(served: RunningGateway) -> None:
    response = get(served, "/app/assets/logo.svg", "Range: bytes=0-5")
    assert (response.status, response.body) == (206, SCRIPT[:6])
    beyond = get(served, "/app/assets/logo.svg", "Range: bytes=999-")
    assert (beyond.status, beyond.get("content-range")) == (416, f"bytes */{len(SCRIPT)}")


def test_head_has_the_headers_of_get(served: RunningGateway) -> None:
    response = get(served, "/app/assets/logo.svg", method="HEAD")
    assert (response.status, response.get("content-length"), response.body) == (200, str(len(SCRIPT)), b"")


def test_other_methods_are_refused(served: RunningGateway) -> None:
    response = get(served, "/app/", method="POST")
    assert (response.status, response.problem["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/app/../outside.txt",
        "/app/%2e%2e/outside.txt",
        "/app/..%2foutside.txt",
        "/app//outside.txt",
        "/app/link.txt",
        "/app/circle.txt",
        "/app/.env",
        "/app/assets",
        "/app/assets/",
        "/app/" + "x" * 300 + ".txt",
        "/app/%00.txt",
        "/application/main-ABCD2345.js",
    ],
)
def test_nothing_else_is_served(served: RunningGateway, path: str) -> None:
    response = get(served, path, *SCRIPT_REQUEST)
    assert response.status in (400, 404)
    assert b"outside" not in response.body.replace(b"outside.txt", b"")


@pytest.mark.parametrize("path", ["/app/index.html/", "/app/main-ABCD2345.js/", "/app/assets/logo.svg/"])
def test_a_file_is_not_served_with_a_slash_at_its_end(served: RunningGateway, path: str) -> None:
    assert get(served, path, *SCRIPT_REQUEST).status == 404
    assert b"CSP_NONCE" not in get(served, path, *NAVIGATION).body


@pytest.mark.parametrize("path", ["/app/.env", "/app/settings/.git/config", "/app/public/config"])
def test_a_hidden_file_is_404_for_a_navigation_too(served: RunningGateway, folder: Path, path: str) -> None:
    (folder / ".git").mkdir(exist_ok=True)
    (folder / ".git" / "config").write_text("secret")
    (folder / "public").unlink(missing_ok=True)
    (folder / "public").symlink_to(folder / ".git")
    assert get(served, path, *SCRIPT_REQUEST).status == 404
    assert b"secret" not in get(served, path, *NAVIGATION).body
    if "/." in path:
        assert get(served, path, *NAVIGATION).status == 404


def test_the_policy_allows_scripts_and_styles_of_the_app_alone(served: RunningGateway) -> None:
    responses = [get(served, "/app/", *NAVIGATION) for _ in range(2)]
    nonces = []
    for response in responses:
        policy = response.get("content-security-policy") or ""
        assert "script-src 'self';" in policy
        (nonce,) = re.findall(r"style-src 'self' 'nonce-([\w-]{22})';", policy)
        assert response.body.decode() == INDEX.replace("CSP_NONCE", nonce)
        nonces.append(nonce)
    assert nonces[0] != nonces[1]
    policy = get(served, "/app/main-ABCD2345.js").get("content-security-policy") or ""
    assert "'unsafe" not in policy
    assert "nonce" not in policy


def test_an_index_without_the_placeholder_has_a_validator(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    with running(make_app(APP_DIR=str(tmp_path))) as gateway:
        first = get(gateway, "/app/", *NAVIGATION)
        assert get(gateway, "/app/", *NAVIGATION, f"If-None-Match: {first.get('etag')}").status == 304


def test_the_app_needs_no_credentials_and_ignores_bad_ones(served: RunningGateway) -> None:
    assert get(served, "/app/", *NAVIGATION, "Authorization: Bearer x", "Cookie: __Host-session=x").status == 200


def test_without_the_setting_there_is_no_app(gateway: RunningGateway) -> None:
    assert get(gateway, "/app/", *NAVIGATION).status == 404


@pytest.mark.parametrize("prefix", ["/app/", "/app", "/app/api/"])
def test_a_route_under_app_wins(
    make_app: MakeApp, folder: Path, upstream: RawUpstream, tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "routes.toml").write_text(routes_toml(NOTES_UPSTREAM, route_table(prefix, "public")))
    with capture_logs() as lines:
        app = make_app(APP_DIR=str(folder), GATEWAY_ROUTES=str(tmp_path / "routes.toml"))
    (line,) = [line for line in lines if line["event"] == "app_not_served"]
    assert (line["route"], line["log_level"]) == (prefix, "warning")
    with running(app) as gateway:
        assert get(gateway, prefix, *NAVIGATION).body == b"ok"


def test_the_app_precedes_a_route_for_everything(
    make_app: MakeApp, folder: Path, upstream: RawUpstream, tmp_path: Path
) -> None:
    (tmp_path / "routes.toml").write_text(routes_toml(NOTES_UPSTREAM, route_table("/", "public")))
    with running(make_app(APP_DIR=str(folder), GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
        assert b"<app-root" in get(gateway, "/app/", *NAVIGATION).body
        assert get(gateway, "/apps/", *NAVIGATION).body == b"ok"


def test_a_folder_without_an_app_is_refused_except_in_development(make_app: MakeApp, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^APP_DIR has no index.html: build the app, or unset this; got"):
        make_app(APP_DIR=str(tmp_path / "dist"))
    with running(make_app(APP_DIR=str(tmp_path / "dist"), DEVELOPMENT="on")) as gateway:
        response = get(gateway, "/app/", *NAVIGATION)
        assert response.status == 404
        assert b"make client" in response.body
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "index.html").write_text("built")
        assert get(gateway, "/app/", *NAVIGATION).body == b"built"
