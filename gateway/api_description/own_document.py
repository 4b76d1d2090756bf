"""The OpenAPI document of the gateway's own endpoints, and the ways to authenticate that it offers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Flask

from chassis.openapi.description import ViewDescription
from chassis.openapi.document import ACCESS_TOKEN, Operation, ServiceDescription, Tag, write_document
from chassis.openapi.problem_details import problem
from gateway.pipeline.csrf import CUSTOM_HEADER

_TEXT = """\
A client holds a session in one of three ways:

- **Tokens**: it logs in at `POST /auth/jwt/create/`, sends `Authorization: Bearer <access>`, and refreshes its \
tokens at `POST /auth/jwt/refresh/` after a 401.
- **Tokens that the gateway refreshes**: it also sends `X-Refresh-Token`, and stores the tokens in the header fields \
`X-Access-Token` and `X-Refresh-Token` of a response.
- **A cookie**: it logs in at `POST /session/`. Requests that change something also carry `X-Requested-With`.

Errors of the gateway are problem details (RFC 9457): compare their `code`. Paths under `/auth/` and `/api/` work with
and without the closing slash. Every response has `X-Request-Id`, which the logs contain as well.
"""
_TAGS = (Tag("Browser sessions", "Log in with a cookie, which no script can read.", ("/session/",)),)
_ALWAYS = (
    problem("bad_request"),
    problem("bad_path"),
    problem("bad_header"),
    problem("target_too_long"),
    problem("headers_too_large"),
    problem("rate_limited", retry_after=3),
    problem("internal_error"),
)


def own_document(app: Flask, cookie_name: str) -> dict[str, Any]:
    """Return the document of the gateway's endpoints in `app`. `cookie_name` is that of the session cookie."""
    service = ServiceDescription(title="Sallyport", version="1", text=_TEXT, tags=_TAGS, complete=_complete)
    document = write_document(app, service)
    document["servers"] = [{"url": "/"}]
    document["components"]["securitySchemes"] = _security_schemes(cookie_name)
    for item in document["paths"].values():
        for method, operation in item.items():
            if operation["operationId"] != "issueTicket" and operation["security"]:
                operation["security"] = [_cookie(method)]
            elif operation["security"]:
                operation["security"] = [{ACCESS_TOKEN: []}, {ACCESS_TOKEN: [], "refreshToken": []}, _cookie(method)]
            elif method != "get":
                operation["security"] = [{"requestedWith": []}]
    return document


def _cookie(method: str) -> dict[str, list[str]]:
    return {"sessionCookie": []} if method == "get" else {"sessionCookie": [], "requestedWith": []}


def _complete(operation: Operation) -> ViewDescription:
    description = operation.description
    return replace(description, responses=(*description.responses, *_ALWAYS))


def _security_schemes(cookie_name: str) -> Mapping[str, Any]:
    return {
        ACCESS_TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of `POST /auth/jwt/create/`.",
        },
        "refreshToken": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Refresh-Token",
            "description": "With it, the gateway refreshes an access token that has expired.",
        },
        "sessionCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie_name,
            "description": "The cookie of `POST /session/`. This page sends it by itself.",
        },
        "requestedWith": {
            "type": "apiKey",
            "in": "header",
            "name": CUSTOM_HEADER,
            "description": "Any value: a page of another site cannot send it. This page sends it by itself.",
        },
    }
