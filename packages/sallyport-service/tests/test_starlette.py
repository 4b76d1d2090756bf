"""Starlette and FastAPI: WebSockets, mounted applications, handlers, and other middleware."""

from typing import Annotated, Any

import pytest
from callers import asgi_caller, run_asgi, web_socket
from fastapi import Depends, FastAPI, WebSocket
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import WebSocketRoute

from sallyport_service import ConfigurationError, Identity, IdentityRefused
from sallyport_service.fastapi import CurrentIdentity, identity_required, install_identity, roles_required
from sallyport_service.starlette import identity_required as starlette_identity_required
from sallyport_service.testing import IdentityMinter

CONNECT = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]


def fastapi_socket() -> Any:
    app = FastAPI()
    install_identity(app)

    @app.websocket("/")
    async def echo(websocket: WebSocket, caller: CurrentIdentity) -> None:
        await websocket.accept()
        await websocket.send_text(caller.subject)

    return app


def starlette_socket() -> Any:
    @starlette_identity_required
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("ann")

    app = Starlette(routes=[WebSocketRoute("/", echo)])
    install_identity(app)
    return app


def mounted_socket() -> Any:
    """An application that is mounted in the one that install_identity was called for."""
    inner, app = FastAPI(), FastAPI()

    @inner.websocket("/")
    async def echo(websocket: WebSocket, caller: CurrentIdentity) -> None:
        await websocket.accept()
        await websocket.send_text(caller.subject)

    app.mount("/", inner)
    install_identity(app)
    return app


@pytest.mark.parametrize("make", [fastapi_socket, starlette_socket, mounted_socket])
def test_a_websocket_needs_an_assertion(make: Any, minter: IdentityMinter) -> None:
    with TestClient(make()) as client, client.websocket_connect("/", headers=minter.headers("ann")) as socket:
        assert socket.receive_text() == "ann"
    sent = run_asgi(make(), web_socket("/", can_deny=True), CONNECT)
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 401)
    assert (b"x-identity-refused", b"No assertion") in sent[0]["headers"]


@pytest.mark.parametrize("make", [fastapi_socket, starlette_socket])
def test_a_server_that_cannot_deny_closes_the_websocket(make: Any) -> None:
    (closed,) = run_asgi(make(), web_socket("/"), CONNECT)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


def test_a_mounted_application_answers_a_refusal_itself(minter: IdentityMinter) -> None:
    inner, app = FastAPI(), FastAPI()
    inner.add_api_route("/", lambda: "ok", dependencies=[Depends(identity_required)])
    app.mount("/inner", inner)
    install_identity(app)
    call = asgi_caller(app)
    assert call("/inner/", [("X-Identity", minter.assertion())]).json == "ok"
    answer = call("/inner/")
    assert (answer.status, answer.headers["x-identity-refused"]) == (401, "No assertion")


def test_a_whole_application_can_need_an_identity(minter: IdentityMinter) -> None:
    app = FastAPI(dependencies=[Depends(identity_required)])
    install_identity(app)
    app.add_api_route("/", lambda: "ok")
    assert asgi_caller(app)("/", [("X-Identity", minter.assertion())]).json == "ok"
    assert asgi_caller(app)("/").status == 401


def test_a_parameter_can_need_roles(minter: IdentityMinter) -> None:
    app = FastAPI()
    install_identity(app)

    @app.get("/")
    def staff(caller: Annotated[Identity, Depends(roles_required("staff", "auditor"))]) -> str:
        return caller.subject

    call = asgi_caller(app)
    assert call("/", [("X-Identity", minter.assertion("ann", roles=["auditor", "staff"]))]).json == "ann"
    assert call("/", [("X-Identity", minter.assertion("ann", roles=["staff"]))]).json["detail"] == (
        "This needs the role 'auditor'."
    )


def test_the_identity_does_not_appear_in_the_openapi_document() -> None:
    """A dependency whose parameters FastAPI took for query parameters would."""
    app = FastAPI()
    install_identity(app)
    app.add_api_route("/", lambda: "ok", dependencies=[Depends(identity_required), Depends(roles_required("staff"))])
    assert app.openapi()["paths"]["/"]["get"].get("parameters", []) == []


def test_an_application_can_answer_refusals_itself() -> None:
    app = FastAPI(dependencies=[Depends(identity_required)])
    install_identity(app)
    app.add_api_route("/", lambda: "ok")

    @app.exception_handler(IdentityRefused)
    async def refuse(_: object, refused: IdentityRefused) -> JSONResponse:
        return JSONResponse({"error": refused.code}, refused.status, refused.headers)

    assert asgi_caller(app)("/").json == {"error": "identity_missing"}


def test_a_function_middleware_before_and_after_works(minter: IdentityMinter) -> None:
    """BaseHTTPMiddleware runs the application in another task."""
    app = FastAPI(dependencies=[Depends(identity_required)])
    app.add_api_route("/", lambda: "ok")

    async def dispatch(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    install_identity(app)
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    call = asgi_caller(app)
    assert call("/", [("X-Identity", minter.assertion())]).json == "ok"
    assert call("/").status == 401


def test_a_test_can_replace_the_dependency() -> None:
    app = FastAPI()
    install_identity(app)

    @app.get("/")
    def who(caller: CurrentIdentity) -> str:
        return caller.subject

    app.dependency_overrides[identity_required] = lambda: Identity("ann", "s1", "ann@example.org")
    assert TestClient(app).get("/").json() == "ann"


def test_without_install_identity_the_error_says_what_to_do() -> None:
    app = FastAPI(dependencies=[Depends(identity_required)])
    app.add_api_route("/", lambda: "ok")
    with pytest.raises(RuntimeError, match=r"call install_identity\(app\)"):
        TestClient(app).get("/")


def test_invalid_settings_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """When install_identity is called, and not at the first request."""
    monkeypatch.delenv("IDENTITY_SECRET")
    with pytest.raises(ConfigurationError, match="IDENTITY_SECRET is missing"):
        install_identity(FastAPI())
