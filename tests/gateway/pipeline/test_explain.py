"""`check-routes` reports the errors of a routes file, prints its routes, and explains one request."""

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import commands
from tests.gateway.access_tokens import IDENTITY_SECRET

SECRET = "a-key-that-is-not-shown"
FILE = """
[upstreams.auth]
urls = ["${AUTH_URL}"]
[upstreams.notes]
urls = ["http://127.0.0.1:8002", "unix:/run/notes.sock"]
identity_secret_env = "NOTES_SECRET"
[upstreams.weather]
urls = ["http://weather:8080"]
identity = false
identity_headers = { "Remote-User" = "email", "X-Groups" = "roles" }
[[routes]]
prefix = "/open/"
upstream = "weather"
access = "public"
[[routes]]
prefix = "/auth/"
upstream = "auth"
access = "public"
[[routes]]
prefix = "/api/"
upstream = "notes"
access = ["staff", "root"]
methods = ["GET"]
[[routes]]
prefix = "/pages/"
upstream = "weather"
access = "authenticated"
login = "redirect"
forward_cookies = true
csrf = "origin"
[[routes]]
prefix = "/weather/"
upstream = "weather"
access = "authenticated"
strip_prefix = true
request_headers = { X-Api-Key = "${KEY}" }
forward_headers = ["X-Script-Name", "CF-Connecting-IP"]
expose_headers = ["ETag", "Link"]
timeout = { read = 0 }
"""
ENVIRON = {"AUTH_URL": "http://127.0.0.1:8001", "NOTES_SECRET": IDENTITY_SECRET, "KEY": SECRET}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "routes.toml"
    file.write_text(FILE)
    return file


def check(file: Path, *options: str, **environ: str) -> Result:
    return CliRunner().invoke(commands, ["check-routes", "--file", str(file), *options], env=environ)


def explanation(result: Result) -> dict[str, str]:
    """Return the right column of an explanation by the left one."""
    lines = (line.strip().partition("  ") for line in result.stdout.splitlines()[1:])
    return {name: value.strip() for name, _, value in lines}


def test_a_valid_file_is_printed_as_a_table(file: Path) -> None:
    result = check(file, **ENVIRON)
    version = hashlib.sha256(FILE.encode()).hexdigest()[:12]
    assert result.stdout.splitlines() == [
        f"{file} is valid: 5 routes to 3 upstreams, version {version}",
        "  /api/      GET, HEAD     roles root, staff  notes (http://127.0.0.1:8002, unix:/run/notes.sock)",
        "  /auth/     every method  public             auth (http://127.0.0.1:8001)",
        "  /open/     every method  public             weather (http://weather:8080)",
        "  /pages/    every method  authenticated      weather (http://weather:8080)",
        "  /weather/  every method  authenticated      weather (http://weather:8080)",
    ]
    assert result.exit_code == 0


def test_an_invalid_file_exits_with_2_and_reports_every_problem(file: Path) -> None:
    file.write_text(FILE.replace("[[routes]]", "[[routes]]\nmax_body = -1"))
    result = check(file, **ENVIRON)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        [str(file), f"routes[{number}].max_body"] for number in range(5)
    ]


def test_the_syntax_can_be_checked_without_secrets_and_variables(file: Path) -> None:
    """For CI, where they are not set."""
    unset = dict.fromkeys(ENVIRON, None)
    assert CliRunner().invoke(commands, ["check-routes", "--file", str(file)], env=unset).exit_code == 2
    result = CliRunner().invoke(commands, ["check-routes", "--file", str(file), "--form"], env=unset)
    assert result.exit_code == 0
    assert "auth (${AUTH_URL})" in result.stdout
    file.write_text(FILE.replace("identity_secret_env", "no_such_key"))
    result = CliRunner().invoke(commands, ["check-routes", "--file", str(file), "--form"], env=unset)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


def test_a_request_is_explained(file: Path) -> None:
    result = check(file, "--path", "/weather/today?in=Oslo", "--method", "post", **ENVIRON)
    assert result.stdout.startswith("POST /weather/today?in=Oslo\n")
    assert explanation(result) == {
        "anonymous": "401 no_credentials: Authentication is required.",
        "authenticated": "passes",
        "route": "/weather/ every method, authenticated",
        "upstream": "weather (http://weather:8080), at most 4096 connections",
        "identity": "none: identity is false",
        "identity_headers": "Remote-User = email, X-Groups = roles",
        "max_body": "1048576 bytes",
        "timeout": "connect 1 s, read none, total 60 s",
        "forward_headers": "cf-connecting-ip, x-script-name",
        "expose_headers": "ETag, Link",
        "request_headers": "X-Forwarded-Prefix, X-Api-Key",
        "forwarded": "POST /today?in=Oslo",
    }
    assert SECRET not in result.output


def test_the_log_in_page_is_explained(file: Path) -> None:
    result = check(file, "--path", "/pages/", **ENVIRON, LOGIN_URL="https://app.example/login")
    lines = explanation(result)
    assert lines["anonymous"] == "401 no_credentials: Authentication is required."
    assert lines["login"] == "redirect: browsers without a session go to https://app.example/login"
    assert lines["forward_cookies"] == "true: all cookies but the session cookie"
    assert lines["csrf"] == "origin: forms need an allowed Origin, and no X-Requested-With"


def test_a_public_route_gets_no_identity_headers(file: Path) -> None:
    lines = explanation(check(file, "--path", "/open/", **ENVIRON))
    assert lines["identity_headers"] == "none: the route is public; Remote-User, X-Groups of clients are dropped"


def test_a_log_in_page_that_nobody_can_open_is_a_problem(file: Path) -> None:
    for url, reason in (("/login", "has no route"), ("/api/login", "is on /api/, which is not public")):
        result = check(file, **ENVIRON, LOGIN_URL=url)
        assert result.exit_code == 2
        assert f"routes[3].login: redirects to LOGIN_URL={url}, which {reason};" in result.stderr


@pytest.mark.parametrize(
    ("options", "status", "decisions"),
    [
        (("--path", "/api/x"), 0, {"anonymous": "401", "authenticated": "403"}),
        (
            ("--path", "/api/x", "--role", "staff"),
            0,
            {"anonymous": "401", "authenticated": "403", "as staff": "passes"},
        ),
        (("--path", "/api/x", "--role", "cook", "--role", "root"), 0, {"as cook, root": "passes"}),
        (("--path", "/api/x", "--role", "cook"), 1, {"as cook": "403"}),
        (("--path", "/auth/x"), 0, {"anonymous": "passes", "authenticated": "passes"}),
        (("--path", "/api/x", "--method", "PUT"), 1, {"any client": "405"}),
        (("--path", "/nowhere"), 1, {"any client": "404"}),
        (("--path", "/api/../auth"), 1, {"any client": "400"}),
        (("--path", "/weather/ü"), 1, {"any client": "400"}),
    ],
)
def test_the_exit_status_depends_on_the_decision(
    file: Path, options: tuple[str, ...], status: int, decisions: dict[str, str]
) -> None:
    result = check(file, *options, **ENVIRON)
    assert result.exit_code == status
    lines = explanation(result)
    assert {client: lines[client].split(" ")[0] for client in decisions} == decisions


def test_the_help_lists_the_exit_statuses() -> None:
    result = CliRunner().invoke(commands, ["check-routes", "--help"])
    assert result.exit_code == 0
    for line in ("0  the file is valid", "1  the request would be refused", "2  the file is invalid"):
        assert line in result.stdout
