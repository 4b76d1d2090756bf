"""The same service in every framework.

`/who` returns the subject, `/staff` needs the role staff, and `/seen` returns the unsigned headers that a view sees.
"""

import json
from collections.abc import Callable
from typing import Any

from callers import Call, asgi_caller, wsgi_caller

UNSIGNED = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")


def wsgi() -> Call:
    from sallyport_service.wsgi import IdentityMiddleware, current_identity, identity_required, roles_required

    def respond(start_response: Any, value: object) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(value).encode()]

    @identity_required
    def who(environ: Any, start_response: Any) -> list[bytes]:
        return respond(start_response, current_identity(environ).subject)

    @roles_required("staff")
    def staff(environ: Any, start_response: Any) -> list[bytes]:
        return respond(start_response, "ok")

    def seen(environ: Any, start_response: Any) -> list[bytes]:
        keys = [f"HTTP_{name.upper().replace('-', '_')}" for name in UNSIGNED]
        return respond(start_response, [environ[key] for key in keys if key in environ])

    views = {"/who": who, "/staff": staff, "/seen": seen}

    def application(environ: Any, start_response: Any) -> Any:
        return views[environ["PATH_INFO"]](environ, start_response)

    return wsgi_caller(IdentityMiddleware(application, required=False))


def asgi() -> Call:
    from sallyport_service.asgi import IdentityMiddleware, current_identity, identity_required, roles_required

    async def respond(send: Any, value: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(value).encode()})

    @identity_required
    async def who(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, current_identity(scope).subject)

    @roles_required("staff")
    async def staff(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, "ok")

    async def seen(scope: Any, receive: Any, send: Any) -> None:
        names = {name.lower() for name in UNSIGNED}
        values = [v.decode() for k, v in scope["headers"] if k.decode().replace("_", "-") in names]
        await respond(send, values)

    views = {"/who": who, "/staff": staff, "/seen": seen}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await views[scope["path"]](scope, receive, send)

    return asgi_caller(IdentityMiddleware(application, required=False))


def flask() -> Call:
    from flask import Flask, jsonify, request

    from sallyport_service.flask import current_identity, identity_required, install_identity, roles_required

    app = Flask(__name__)
    install_identity(app)

    @app.get("/who")
    @identity_required
    def who() -> Any:
        return jsonify(current_identity().subject)

    @app.get("/staff")
    @roles_required("staff")
    async def staff() -> Any:
        return jsonify("ok")

    @app.get("/seen")
    def seen() -> Any:
        return jsonify([request.headers[name] for name in UNSIGNED if name in request.headers])

    return wsgi_caller(app)


def starlette() -> Call:
    from starlette.applications import Starlette
    from starlette.endpoints import HTTPEndpoint
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from sallyport_service.starlette import current_identity, identity_required, install_identity, roles_required

    @identity_required
    def who(request: Request) -> JSONResponse:
        return JSONResponse(current_identity(request).subject)

    class Staff(HTTPEndpoint):
        @roles_required("staff")
        async def get(self, request: Request) -> JSONResponse:
            return JSONResponse("ok")

    async def seen(request: Request) -> JSONResponse:
        return JSONResponse([request.headers[name] for name in UNSIGNED if name in request.headers])

    app = Starlette(routes=[Route("/who", who), Route("/staff", Staff), Route("/seen", seen)])
    install_identity(app)
    return asgi_caller(app)


def fastapi() -> Call:
    from fastapi import Depends, FastAPI, Request

    from sallyport_service.fastapi import CurrentIdentity, install_identity, roles_required

    app = FastAPI()
    install_identity(app)

    @app.get("/who")
    def who(caller: CurrentIdentity) -> str:
        return caller.subject

    @app.get("/staff", dependencies=[Depends(roles_required("staff"))])
    async def staff() -> str:
        return "ok"

    @app.get("/seen")
    async def seen(request: Request) -> list[str]:
        return [request.headers[name] for name in UNSIGNED if name in request.headers]

    return asgi_caller(app)


def django_wsgi() -> Call:
    import django_project
    from django.core.handlers.wsgi import WSGIHandler

    django_project.configure()
    return wsgi_caller(WSGIHandler())


def django_asgi() -> Call:
    import django_project
    from django.core.handlers.asgi import ASGIHandler

    django_project.configure()
    call = asgi_caller(ASGIHandler())
    return lambda path, fields=(), method="GET": call(f"/async{path}", fields, method)


def rest_framework() -> Call:
    import django_project
    from django.core.handlers.wsgi import WSGIHandler

    django_project.configure()
    call = wsgi_caller(WSGIHandler())
    return lambda path, fields=(), method="GET": call(f"/rest{path}", fields, method)


APPLICATIONS: dict[str, Callable[[], Call]] = {
    function.__name__: function
    for function in (wsgi, asgi, flask, starlette, fastapi, django_wsgi, django_asgi, rest_framework)
}
