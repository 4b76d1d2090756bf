"""Owns the order in which an endpoint asks: who is calling, is the method known, and only then what the body says."""

from typing import Any, ClassVar

from flask import Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask.views import View

from auth_service.api.authentication import authenticate
from auth_service.api.errors import method_not_allowed
from auth_service.api.request_body import MEDIA_TYPES


class Endpoint(View):
    """A resource with a method a verb. Subclasses define `get`, `post`, `put`, `patch`, `delete` as they need."""

    methods: ClassVar[list[str]] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    provide_automatic_options = False
    init_every_request = False

    name: ClassVar[str]
    allow: ClassVar[str]
    """The Allow header of every answer (RFC 9110 10.2.1)."""
    open_methods: ClassVar[frozenset[str]] = frozenset()
    """What anybody may do: an Authorization header is not even looked at."""

    def dispatch_request(self, **path: Any) -> ResponseReturnValue:
        """Answers the request. Raises AuthRefused."""
        g.allow = self.allow
        if request.method not in self.open_methods:
            g.caller = authenticate()
        if request.method not in self.allow.split(", "):
            raise method_not_allowed(request.method)
        verb = "get" if request.method == "HEAD" else request.method.lower()
        answer: ResponseReturnValue = getattr(self, verb)(**path)
        return answer

    def options(self, **_: Any) -> Response:
        """What this endpoint is, and which bodies it reads."""
        return jsonify(name=self.name, renders=["application/json"], parses=list(MEDIA_TYPES))
