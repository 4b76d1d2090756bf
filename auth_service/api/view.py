"""The base class of the views under /auth/. It checks the access token, then the method, then calls the view."""

from typing import Any, ClassVar

from flask import Response, g, request
from flask.typing import ResponseReturnValue
from flask.views import View

from auth_service.api.authentication import authenticate
from auth_service.api.errors import method_not_allowed
from auth_service.api.models.options import OptionsResponse
from auth_service.api.request_body import MEDIA_TYPES
from auth_service.api.response_body import json_response


class ApiView(View):
    """A resource. Subclasses define `get`, `post`, `put`, `patch` and `delete` as they need."""

    methods: ClassVar[list[str]] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    provide_automatic_options = False
    init_every_request = False

    name: ClassVar[str]
    """The name of the resource in the response to OPTIONS."""
    allow: ClassVar[str]
    """The Allow header of every response. RFC 9110 10.2.1."""
    anonymous_methods: ClassVar[frozenset[str]] = frozenset()
    """Methods that need no access token. With these, the Authorization header is ignored."""

    def dispatch_request(self, **path: Any) -> ResponseReturnValue:
        """Answer the request. Raises ApiError(401), or after authentication ApiError(403) or ApiError(405)."""
        g.allow = self.allow
        if request.method not in self.anonymous_methods:
            authenticate()
            if request.method != "OPTIONS":
                self.check_caller()
        if request.method not in self.allow.split(", "):
            raise method_not_allowed(request.method)
        verb = "get" if request.method == "HEAD" else request.method.lower()
        response: ResponseReturnValue = getattr(self, verb)(**path)
        return response

    def check_caller(self) -> None:
        """Raise ApiError(403) if the authenticated caller may not use the resource. OPTIONS is for every caller."""

    def options(self, **_: Any) -> Response:
        """Return the name of the resource and the media types that it reads."""
        return json_response(OptionsResponse(name=self.name, parses=MEDIA_TYPES))
