"""The contents that routes.toml may have, and the resulting route table."""

from pathlib import Path

import pytest

from chassis.rates import Rate
from gateway.routing.loader import load_routes
from gateway.routing.routes import Address, ConcurrencyLimit
from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.routing.route_files import NOTES, parse, route


def test_a_minimal_file_is_accepted() -> None:
    table = parse('[upstreams.auth]\nurls = ["${AUTH_URL}"]\n' + route("/auth/", "auth", '"public"'))
    found = table.match(b"/auth/jwt/create/")
    assert found is not None
    assert found.public
    assert found.upstream.takes_credentials
    assert found.upstream.signer is None
    assert found.upstream.addresses == (Address("127.0.0.1:8001", "127.0.0.1", 8001),)


def test_an_empty_file_has_no_route() -> None:
    assert parse("").match(b"/") is None


def test_the_shipped_file_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "notes.secret").write_text(IDENTITY_SECRET + "\n")
    environ = {"AUTH_URL": "unix:/run/auth.sock", "RESOURCE_URL": "http://[::1]:8002"}
    table = load_routes(Path("gateway/routes.toml"), environ=environ, data_dir=tmp_path)
    auth, notes = table.upstreams()
    assert auth.addresses == (Address("localhost", path="/run/auth.sock"),)
    assert notes.addresses == (Address("[::1]:8002", "::1", 8002),)
    assert (auth.signer, notes.audience) == (None, "notes")
    assert notes.signer is not None


def test_settings_reach_the_route_and_its_upstream() -> None:
    table = parse(
        NOTES
        + 'audience = "n"\nmax_connections = 7\n'
        + route(
            access='["staff", "root"]',
            rest='methods = ["GET", "POST"]\nmax_body = "2MiB"\nmax_concurrent = 3\nmax_answer = "2KB"',
        )
        + "timeout = { connect = 0.5, read = 0, total = 9 }"
    )
    (found,) = table.routes
    assert found.roles == {"staff", "root"}
    assert not found.public
    assert found.methods == {"GET", "HEAD", "POST"}
    assert (found.concurrency_limit, found.max_answer) == (ConcurrencyLimit(3), 2_000)
    assert found.max_body == 2 * 2**20
    assert (found.timeouts.connect, found.timeouts.read, found.timeouts.total) == (0.5, 0, 9)
    assert (found.stripped_prefix_length, found.request_overrides, found.response_overrides, found.keep_cookies) == (
        0,
        None,
        None,
        False,
    )
    assert (found.upstream.audience, found.upstream.max_connections) == ("n", 7)


def test_the_body_size_and_the_timeouts_are_limited_by_default() -> None:
    (found,) = parse(NOTES + route()).routes
    assert found.max_body == 2**20
    assert (found.concurrency_limit, found.max_answer) == (None, None)
    assert 0 < found.timeouts.connect <= found.timeouts.read <= found.timeouts.total
    assert found.upstream.audience == "notes"
    assert "TRACE" not in found.methods


def test_a_route_may_have_a_queue() -> None:
    (found,) = parse(NOTES + route(rest="max_concurrent = 3\nqueue = 40\nmax_wait = 2.5")).routes
    assert found.concurrency_limit == ConcurrencyLimit(3, queue=40, max_wait=2.5)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0", 0),
        ("1048576", 1_048_576),
        ('"10"', 10),
        ('"10 B"', 10),
        ('"1KB"', 1_000),
        ('"1KiB"', 1_024),
        ('"2MB"', 2_000_000),
        ('"2MiB"', 2_097_152),
        ('" 3 GiB "', 3 * 2**30),
        ('"1GB"', 10**9),
    ],
)
def test_sizes_may_have_units(written: str, size: int) -> None:
    assert parse(NOTES + route(rest=f"max_body = {written}")).routes[0].max_body == size


def test_a_third_party_service_needs_no_secret() -> None:
    table = parse('[upstreams.x]\nurls = ["http://x:1"]\nidentity = false\n' + route(upstream="x"))
    assert table.routes[0].upstream.signer is None


def test_a_public_route_needs_no_secret() -> None:
    table = parse('[upstreams.x]\nurls = ["http://x:1"]\n' + route(upstream="x", access='"public"'))
    assert table.routes[0].upstream.signer is None


def test_a_secret_may_come_from_a_file_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.secret").write_text(f"{IDENTITY_SECRET}\n")
    text = NOTES.replace('identity_secret_env = "NOTES_SECRET"', 'identity_secret_file = "notes.secret"')
    by_file = parse(text + route(), tmp_path).routes[0].upstream.signer
    by_environ = parse(NOTES + route()).routes[0].upstream.signer
    assert by_file is not None
    assert by_environ is not None
    assert by_file.current().sign(b"data") == by_environ.current().sign(b"data")


def test_equal_limits_have_equal_ids() -> None:
    rest = 'limits = [{ per = "address", rate = "300/minute" }, { per = "identity", rate = "50/second" }]'
    (one,), (two,) = parse(NOTES + route(rest=rest)).routes, parse(NOTES + route(rest=rest)).routes
    assert one.limits == two.limits
    assert [(limit.per, limit.rate) for limit in one.limits] == [
        ("address", Rate(300, 60)),
        ("identity", Rate(50, 1)),
    ]
    (other,) = parse(NOTES + route("/other/", rest=rest)).routes
    assert not {limit.id for limit in other.limits} & {limit.id for limit in one.limits}
    assert parse(NOTES + route(rest=rest)).without_limits().routes[0].limits == ()


def test_the_shipped_file_never_limits_a_refresh(tmp_path: Path) -> None:
    (tmp_path / "notes.secret").write_text(IDENTITY_SECRET)
    environ = {"AUTH_URL": "http://a:1", "RESOURCE_URL": "http://b:1"}
    table = load_routes(Path("gateway/routes.toml"), environ=environ, data_dir=tmp_path)
    refresh, create = table.match(b"/auth/jwt/refresh/"), table.match(b"/auth/jwt/create/")
    assert refresh is not None
    assert create is not None
    assert refresh.limits == ()
    assert [(limit.per, limit.rate) for limit in create.limits] == [("address", Rate(30_000, 60))]
