"""An invalid routes.toml is rejected as a whole, and every problem names the path of its value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.errors import RoutesError
from gateway.routing.loader import load_routes
from gateway.routing.upstream_address import parse_upstream_url
from tests.gateway.routing.route_files import ENVIRON, NOTES, parse, route

AUTH = '[upstreams.auth]\nurls = ["unix:/a"]\n'
# What the error contains, and the text that follows NOTES in the file.
BAD = [
    ("routes[0].upstream", route(upstream="nobody")),
    ("routes[0].websocket", AUTH + route(upstream="auth", rest="websocket = true")),  # it serves no WebSocket
    ("routes[1].prefix", route() + route("/api")),
    ("routes[0].prefix", route("api/")),
    ("routes[0].prefix", route("/a b/")),
    ("routes[0].prefix", route("/api//x")),
    ("routes[0].prefix", route("/api/../x")),
    ("routes[0].access", route(access='"everybody"')),
    ("routes[0].access", route(access="[]")),
    ("routes[0].access", route(access="true")),
    ("routes[0].methods", route(rest='methods = ["FETCH"]')),
    ("routes[0].methods", route(rest="methods = []")),
    ("routes[0].methods", route(rest='methods = ["get"]')),
    ("routes[0].max_body", route(rest='max_body = "1 potato"')),
    ("routes[0].max_body", route(rest="max_body = -1")),
    ("routes[0].max_body", route(rest="max_body = true")),
    ("routes[0].max_body", route(rest="max_body = 1.5")),
    ("routes[0].timeout.read", route(rest="timeout = { read = -1 }")),
    ("routes[0].timeout.connect", route(rest="timeout = { connect = 0 }")),
    ("routes[0].timeout.slow", route(rest="timeout = { slow = 1 }")),
    ("routes[0].metods", route(rest='metods = ["GET"]')),
    ("upstreams.notes.url", "url = 7\n"),
    ("upstreams.notes.max_connections", "max_connections = 0\n"),
    ("upstreams.notes.eject_after", "eject_after = -1\n"),
    ("upstreams.notes.break_after", "break_after = 0.5\n"),
    ("upstreams.notes.health.path", 'health = { path = "healthz" }\n'),
    ("upstreams.notes.health.path", 'health = { path = "/a b" }\n'),
    ("upstreams.notes.health.path", 'health = { path = "/a\\r\\nX: y" }\n'),
    ("upstreams.notes.health.path", "health = { interval = 5 }\n"),
    ("upstreams.notes.health.interval", 'health = { path = "/", interval = 0 }\n'),
    ("upstreams.notes.health.unhealthy_after", 'health = { path = "/", unhealthy_after = 0 }\n'),
    ("upstreams.x.urls", '[upstreams.x]\nurls = ["ftp://x"]\n'),
    ("got 'x:80'", '[upstreams.x]\nurls = ["x:80"]\n'),
    ("got 'http://x/path'", '[upstreams.x]\nurls = ["http://x/path"]\n'),
    ("got 'http://x:port'", '[upstreams.x]\nurls = ["http://x:port"]\n'),
    ("got 'http://u:p@x'", '[upstreams.x]\nurls = ["http://u:p@x"]\n'),
    ("got 'unix:here'", '[upstreams.x]\nurls = ["unix:here"]\n'),
    ("got 'http://a b'", '[upstreams.x]\nurls = ["http://a b"]\n'),
    ("got 'http://bücher'", '[upstreams.x]\nurls = ["http://bücher"]\n'),
    ("upstreams.x.urls", "[upstreams.x]\nurls = []\n"),
    ("upstreams.a b", '[upstreams."a b"]\nurls = ["http://x"]\n'),
    ("upstreams.x", '[upstreams.x]\nurls = ["http://x"]\n' + route(upstream="x")),
    (
        "upstreams.x: identity_secret_file and",
        ('[upstreams.x]\nurls = ["http://x"]\nidentity_secret_file = "f"\nidentity_secret_env = "NOTES_SECRET"\n'),
    ),
    (
        "upstreams.x.identity_secret_file: the identity secret file /nonexistent/f cannot be read: No such file",
        '[upstreams.x]\nurls = ["http://x"]\nidentity_secret_file = "f"\n',
    ),
    (
        "upstreams.x.identity_secret_env: the identity secret in WEAK",
        '[upstreams.x]\nurls = ["http://x"]\nidentity_secret_env = "WEAK"\n',
    ),
    (
        "upstreams.x.identity_secret_env: the identity secret in UNSET",
        '[upstreams.x]\nurls = ["http://x"]\nidentity_secret_env = "UNSET"\n',
    ),
    (
        "upstreams.x.urls[0]: the environment variable NOWHERE is not set",
        '[upstreams.x]\nurls = ["http://${NOWHERE}"]\n',
    ),
    ("upsteams", "[upsteams.x]\n"),
    ("routes[1].prefix: GET /api/ is already defined", route(rest='methods = ["POST", "GET"]') + route()),
    ("routes[1].prefix: HEAD /api", route(rest='methods = ["HEAD"]') + route("/api", rest='methods = ["GET"]')),
    ("routes[0].strip_prefix", route(rest="strip_prefix = 7")),
    ('routes[0].replace_prefix: must begin with "/"', route(rest='replace_prefix = "auth/"')),
    ('routes[0].replace_prefix: must begin with "/"', route(rest='replace_prefix = "/a/../b/"')),
    ("routes[0].replace_prefix: excludes strip_prefix", route(rest='strip_prefix = true\nreplace_prefix = "/a/"')),
    (
        "routes[0].request_headers.X-Identity: must be a header name of letters, digits and -",
        route(rest='request_headers = {X-Identity = ""}'),
    ),
    (
        "routes[0].forward_headers[0]: must be a header name that the gateway",
        route(rest='forward_headers = ["X-Identity"]'),
    ),
    ("routes[0].forward_headers[0]", route(rest='forward_headers = ["X-Forwarded-For"]')),
    ("routes[0].forward_headers[0]", route(rest='forward_headers = ["X-HTTP-Method-Override"]')),
    ("routes[0].forward_headers[0]", route(rest='forward_headers = ["Via"]')),
    ("routes[0].forward_headers[0]", route(rest='forward_headers = ["X_User_A"]')),
    ("routes[0].forward_headers: contains a field twice", route(rest='forward_headers = ["X-Host", "x-host"]')),
    ("routes[0].forward_headers", route(rest='forward_headers = "X-Host"')),
    ("routes[0].expose_headers[0]: must be the name", route(rest='expose_headers = ["Set-Cookie"]')),
    ("routes[0].expose_headers[1]", route(rest='expose_headers = ["ETag", "*"]')),
    ("routes[0].expose_headers[0]", route(rest='expose_headers = ["Access-Control-Allow-Origin"]')),
    ("routes[0].request_headers.host", route(rest='request_headers = {host = "x"}')),
    ("routes[0].request_headers.Authorization", route(rest='request_headers = {Authorization = "x"}')),
    ("routes[0].request_headers.Cookie", route(rest='request_headers = {Cookie = "x"}')),
    ("routes[0].request_headers.X-User-Level", route(rest='request_headers = {X-User-Level = "x"}')),
    ("routes[0].request_headers.X_Tenant", route(rest='request_headers = {X_Tenant = "x"}')),
    ("routes[0].request_headers.X T", route(rest='request_headers = {"X T" = "x"}')),
    ("routes[0].request_headers.X-A", route(rest='request_headers = {X-A = "a\\r\\nX-B: 1"}')),
    ("routes[0].request_headers.X-A", route(rest='request_headers = {X-A = "\\u0000"}')),
    ("routes[0].request_headers.X-A", route(rest='request_headers = {X-A = " a"}')),
    ("routes[0].request_headers.X-A", route(rest='request_headers = {X-A = "bücher"}')),
    ("routes[0].request_headers.X-A", route(rest="request_headers = {X-A = 1}")),
    ("routes[0].request_headers: contains a field twice", route(rest='request_headers = {X-A = "1", x-a = "2"}')),
    ("routes[0].response_headers.Set-Cookie", route(rest='response_headers = {Set-Cookie = "a=b"}')),
    ("routes[0].response_headers.content-length", route(rest='response_headers = {content-length = "1"}')),
    ("routes[0].response_headers.Connection", route(rest='response_headers = {Connection = "close"}')),
    ("routes[0].response_headers.X-Request-Id", route(rest='response_headers = {X-Request-Id = "1"}')),
    (
        "routes[0].response_headers.Access-Control-Allow-Origin",
        route(rest='response_headers = {Access-Control-Allow-Origin = "*"}'),
    ),
    ("routes[0].keep_cookies", route(rest='keep_cookies = "perhaps"')),
    ("routes[0].forward_cookies: must be omitted", AUTH + route(upstream="auth", rest="forward_cookies = true")),
    ("routes[0].csrf", route(rest='csrf = "off"')),
    ("routes[0].csrf: must be omitted", route(access='"public"', rest='csrf = "origin"')),
    ("routes[0].login", route(rest='login = "page"')),
    ("routes[0].login: must be omitted on a public", route(access='"public"', rest='login = "redirect"')),
    ("routes[0].login: needs GET in methods", route(rest='login = "redirect"\nmethods = ["POST"]')),
    ("routes[0].login: redirects to LOGIN_URL=/auth/login/, which has no", route(rest='login = "redirect"')),
    ("LOGIN_URL=/auth/login/, which is on /, which is not public", route("/", rest='login = "redirect"')),
    ("routes[0].access", route(access='["a b"]')),
    ("routes[0].access", route(access='["staff", ""]')),
    ("routes[0].access", route(access='["staff", 7]')),
    ("routes[0].max_answer", route(rest='max_answer = "1 potato"')),
    ("routes[0].max_answer", route(rest="max_answer = 0")),
    ("routes[0].max_concurrent", route(rest="max_concurrent = 0")),
    ("routes[0].queue", route(rest="max_concurrent = 1\nqueue = -1")),
    ("routes[0].queue", route(rest="queue = 5")),
    ("routes[0].max_wait", route(rest="max_concurrent = 1\nqueue = 5\nmax_wait = 0")),
    ("routes[0].max_wait", route(rest="max_concurrent = 1\nmax_wait = 5")),
    ("routes[0].max_wait", route(rest="max_concurrent = 1\nqueue = 0\nmax_wait = 5")),
    ("routes[0].limits[0].rate", route(rest='limits = [{ per = "address", rate = "often" }]')),
    ("routes[0].limits[0].per", route(rest='limits = [{ per = "planet", rate = "1/day" }]')),
    ("routes[0].limits[0].per", route(access='"public"', rest='limits = [{ per = "identity", rate = "1/day" }]')),
    (
        "routes[0].limits[1]",
        route(rest='limits = [{ per = "address", rate = "1/day" }, { per = "address", rate = "2/day" }]'),
    ),
]


@pytest.mark.parametrize(("place", "text"), BAD)
def test_each_problem_names_its_path_or_shows_the_wrong_value(place: str, text: str) -> None:
    with pytest.raises(RoutesError) as refused:
        parse(NOTES + text)
    assert place in str(refused.value)
    assert ENVIRON["WEAK"] not in str(refused.value)


WRONG = """\
[upstreams.notes]
urls = ["http://127.0.0.1:8002",
        "ftp://x"]
identity_secret_env = "WEAK"
max_conections = 7

[[routes]]
prefix = "api"
upstream = "nobody"
access = "authenticated"

[[routes]]
upstream = "notes"
access = "${NOWHERE}"
timeout = { connect = 1, read = -1 }

[[routes]]
prefix = "/x/"
upstream = "lost"
access = "public"
[[routes]]
prefix = "/x"
upstream = "notes"
access = "public"
[other]
"""


def test_one_run_reports_every_wrong_key_name_and_type_with_its_path() -> None:
    """A problem of a route shows its prefix too. Addresses and secrets are checked in a table without such errors."""
    with pytest.raises(RoutesError) as refused:
        parse(WRONG)
    lines = [line.split(": ") for line in str(refused.value).splitlines()]
    assert {name for name, *_ in lines} == {"routes.toml"}
    assert {path for _, path, *_ in lines} == {
        "upstreams.notes.max_conections",
        "routes[0].prefix",
        "routes[0].upstream",
        "routes[1].prefix",
        "routes[1].access",
        "routes[1].timeout.read",
        "routes[2].upstream",
        "routes[3].prefix",
        "other",
    }
    assert len(lines) == 9
    assert 'routes[2].upstream: there is no [upstreams.lost] (prefix "/x/")' in str(refused.value)
    with pytest.raises(RoutesError) as refused:
        parse(WRONG.replace("max_conections", "max_connections").replace('"api"', '"/api"'))
    assert "routes.toml: upstreams.notes.urls[1]: must be http://host:port" in str(refused.value)
    assert "routes.toml: upstreams.notes.identity_secret_env: the identity secret in WEAK" in str(refused.value)
    assert "routes.toml: routes[0].upstream: there is no [upstreams.nobody]" in str(refused.value)


def test_an_unknown_upstream_is_reported_even_if_the_route_has_other_problems() -> None:
    with pytest.raises(RoutesError) as refused:
        parse(NOTES + route(upstream="note", access='"everybody"'))
    first, second = sorted(str(refused.value).splitlines())
    assert "routes[0].access" in first
    assert "routes[0].upstream: there is no [upstreams.note]; did you mean notes?" in second


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x = 1\ny = ", "is not valid TOML: Invalid value (at end of document)"),
        (b"\n\n[", "is not valid TOML: Invalid initial character for a key part (at end of document)"),
        (b"a = 1\na = 2\n", "is not valid TOML: Cannot overwrite a value (at line 2, column 6)"),
        (b"\n# \xff\xfe\n", "is not UTF-8 (at line 2)"),
        (b"a = " + b"[" * 5_000, "is nested too deeply"),
    ],
)
def test_a_file_that_is_not_toml_is_rejected_with_its_name_and_the_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "my-routes.toml"
    file.write_bytes(content)
    with pytest.raises(RoutesError) as refused:
        load_routes(file, environ=ENVIRON, data_dir=tmp_path)
    assert str(refused.value) == f"{file}: {problem}"


def test_the_error_for_a_missing_file_contains_its_name(tmp_path: Path) -> None:
    with pytest.raises(RoutesError, match=r"my-routes\.toml: cannot be read: No such file"):
        load_routes(tmp_path / "my-routes.toml", environ=ENVIRON, data_dir=tmp_path)


@given(st.text())
def test_any_url_is_an_address_or_refused(url: str) -> None:
    try:
        address = parse_upstream_url(url)
    except ValueError:
        return
    assert address.path.startswith("/") or (address.host and 0 < address.port < 65_536)
    assert address.authority.isascii(), "it is sent as Host"
