"""The middleware for plain WSGI and ASGI applications: every request needs an identity, except public paths."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from callers import Call, asgi_caller, run_asgi, web_socket, wsgi_caller

from sallyport_service import ConfigurationError, asgi, wsgi
from sallyport_service.testing import IdentityMinter

CONNECT = [{"type": "websocket.connect"}]


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": asgi.current_identity(scope).subject})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(params=["wsgi", "asgi"])
def call(request: pytest.FixtureRequest) -> Call:
    """The application behind the middleware with its defaults, and a health check."""
    if request.param == "wsgi":
        return wsgi_caller(wsgi.IdentityMiddleware(wsgi_app, public_paths=["/healthz"]))
    return asgi_caller(asgi.IdentityMiddleware(asgi_app, public_paths=["/healthz"]))


def test_every_path_needs_an_identity_except_public_ones(call: Call, minter: IdentityMinter) -> None:
    assert call("/anything", [("X-Identity", minter.assertion())]).body == b"ok"
    assert call("/healthz").body == b"ok"
    for path in ("/", "/healthz/", "/healthz/x", "/HEALTHZ", "//healthz"):
        assert call(path).status == 401, path


def test_a_refused_head_request_gets_no_body(call: Call) -> None:
    answer = call("/", method="HEAD")
    assert (answer.status, answer.body) == (401, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("middleware", [wsgi.IdentityMiddleware, asgi.IdentityMiddleware])
def test_invalid_settings_stop_the_start(middleware: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_SECRET", "short")
    with pytest.raises(ConfigurationError, match="IDENTITY_SECRET is shorter than 32 bytes"):
        middleware(wsgi_app)


def test_without_the_middleware_the_error_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="wrap the application"):
        wsgi.current_identity({})
    with pytest.raises(RuntimeError, match="wrap the application"):
        asgi.current_identity({})


def test_a_streamed_wsgi_body_can_read_the_identity(minter: IdentityMinter) -> None:
    """The body is produced after the application has returned."""

    def streaming(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield wsgi.current_identity(environ).subject.encode()

    call = wsgi_caller(wsgi.IdentityMiddleware(streaming))
    assert call("/", [("X-Identity", minter.assertion("ann"))]).body == b"ann"


def test_lifespan_passes_through() -> None:
    """It has no headers and no path."""
    seen = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        await send({"type": "lifespan.startup.complete"})

    for wrapped in (asgi.IdentityMiddleware(application), asgi.identity_required(application)):
        sent = run_asgi(wrapped, {"type": "lifespan", "asgi": {"version": "3.0"}}, [{"type": "lifespan.startup"}])
        assert sent == [{"type": "lifespan.startup.complete"}]
    assert seen == ["lifespan", "lifespan"]


def test_a_websocket_with_an_assertion_is_accepted(minter: IdentityMinter) -> None:
    scope = web_socket("/", [("X-Identity", minter.assertion("ann"))])
    sent = run_asgi(asgi.IdentityMiddleware(asgi_app), scope, CONNECT)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    assert sent[1]["text"] == "ann"


@pytest.mark.parametrize("required", [True, False], ids=["by the middleware", "by the application"])
def test_a_websocket_without_an_assertion_is_refused(required: bool) -> None:
    """With the reason for the gateway, if the server can send a response; otherwise it answers 403."""
    application = asgi.IdentityMiddleware(asgi.identity_required(asgi_app), required=required)
    (closed,) = run_asgi(application, web_socket("/"), CONNECT)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    start, body = run_asgi(application, web_socket("/", can_deny=True), CONNECT)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"x-identity-refused", b"No assertion") in start["headers"]
    assert body["type"] == "websocket.http.response.body"


def test_an_unknown_kind_of_connection_has_no_identity() -> None:
    """A new scope type is not a way around the middleware."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    sent = run_asgi(asgi.IdentityMiddleware(application), {"type": "webtransport", "headers": []}, [])
    assert {"type": "reached"} not in sent


def test_a_refusal_after_the_response_began_is_not_answered_twice() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asgi.current_identity(scope)

    with pytest.raises(asgi.IdentityRefused):
        asgi_caller(asgi.IdentityMiddleware(application, required=False))("/")


def test_concurrent_requests_do_not_share_an_identity(minter: IdentityMinter) -> None:
    names: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        first = asgi.current_identity(scope).subject
        await asyncio.sleep(0)
        names.append(f"{first} {asgi.current_identity(scope).subject}")

    wrapped = asgi.IdentityMiddleware(application)

    async def main() -> None:
        scopes = [web_socket("/", [("X-Identity", minter.assertion(name))]) for name in ("ann", "bob")]
        await asyncio.gather(*(wrapped(scope, None, None) for scope in scopes))  # type: ignore[arg-type]

    asyncio.run(main())
    assert sorted(names) == ["ann ann", "bob bob"]
