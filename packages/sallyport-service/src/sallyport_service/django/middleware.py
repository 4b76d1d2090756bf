"""The middleware that sets the identity and the user of each request."""

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from sallyport_service.django.users import user_for
from sallyport_service.refusal import PROBLEM_JSON, REFUSED_HEADER, IdentityRefused
from sallyport_service.settings import ConfigurationError
from sallyport_service.verifier import UNSIGNED_HEADERS, IdentityVerifier

_NAMES = ("IDENTITY_SECRET", "IDENTITY_SECRET_FILE", "IDENTITY_AUDIENCE")
_UNSIGNED_KEYS = tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in UNSIGNED_HEADERS)
_OWN = "sallyport_service.django.IdentityMiddleware"
_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


class IdentityMiddleware:
    """Sets `request.identity`, the caller or None, and for a caller also `request.user` and `request.auser`.

    A request with an invalid assertion is answered 401 before any view runs. IdentityRefused, which a view raises,
    becomes problem details. Raises ImproperlyConfigured if the settings are invalid.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._verifier = _verifier()
        _check_order(settings.MIDDLEWARE)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Answer one request."""
        if self._is_async:
            return self._answer_async(request)
        response: HttpResponse = self._identify(request) or self._get_response(request)
        return _with_reason(request, response)

    async def _answer_async(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self._identify(request) or await self._get_response(request)
        return _with_reason(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the response to a refusal that a view raised."""
        return _refusal_response(request, exception) if isinstance(exception, IdentityRefused) else None

    def _identify(self, request: HttpRequest) -> HttpResponse | None:
        """Set the identity and the user of `request`. Return a response only if its assertion is invalid."""
        for key in _UNSIGNED_KEYS:
            request.META.pop(key, None)
        request.__dict__.pop("headers", None)  # cached from META, perhaps by an earlier middleware
        assertion = request.META.get("HTTP_X_IDENTITY")
        request.identity = None
        if assertion is None:
            return None
        try:
            request.identity = self._verifier.identify((assertion,))
        except IdentityRefused as refused:
            return _refusal_response(request, refused)
        find_user = partial(user_for, request, request.identity)
        request.user = SimpleLazyObject(find_user)
        request.auser = sync_to_async(find_user)
        # A page of another site cannot add X-Identity, and the gateway refuses its requests with a session cookie.
        request._dont_enforce_csrf_checks = True
        return None


def _verifier() -> IdentityVerifier:
    given: Mapping[str, str] = {name: getattr(settings, name) for name in _NAMES if getattr(settings, name, None)}
    # A secret in Django's settings replaces both variables of the environment.
    rest = {name: value for name, value in os.environ.items() if name in _NAMES}
    if "IDENTITY_SECRET" in given or "IDENTITY_SECRET_FILE" in given:
        rest = {name: value for name, value in rest.items() if name == "IDENTITY_AUDIENCE"}
    try:
        return IdentityVerifier(environ={**rest, **given})
    except ConfigurationError as error:
        raise ImproperlyConfigured(str(error)) from error


def _check_order(middleware: list[str]) -> None:
    if _OWN in middleware and _AUTHENTICATION in middleware[middleware.index(_OWN) :]:
        raise ImproperlyConfigured(f"MIDDLEWARE: {_OWN} must come after {_AUTHENTICATION}, which sets another user")


def _refusal_response(request: HttpRequest, refused: IdentityRefused) -> HttpResponse:
    body = refused.to_body(request.META.get("HTTP_X_REQUEST_ID"))
    return HttpResponse(body, status=refused.status, headers=refused.headers, content_type=PROBLEM_JSON)


def _with_reason(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give the gateway the reason for a 401 of a view that needs a user, such as one of REST framework."""
    if response.status_code == 401 and request.identity is None:
        response.headers.setdefault(REFUSED_HEADER, "No assertion")
    return response
