"""The identity in views: current_identity, and decorators for views."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured

from sallyport_service.identity import Identity
from sallyport_service.refusal import IdentityRefused, role_missing

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def current_identity(request: Any, *roles: str) -> Identity:
    """Return the caller of an HttpRequest, or of a REST framework's request.

    Raises IdentityRefused: 401 without a valid assertion, 403 unless the caller has all of `roles`.
    """
    try:
        identity: Identity | None = request.identity
    except AttributeError as error:
        raise ImproperlyConfigured("MIDDLEWARE lacks 'sallyport_service.django.IdentityMiddleware'") from error
    if identity is None:
        raise IdentityRefused("identity_missing", "No assertion")
    missing = identity.missing_role(roles)
    if missing is not None:
        raise role_missing(missing)
    return identity


def identity_required(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a view, which may be async, to answer 401 unless the request has a valid assertion."""
    return roles_required()(view)


def roles_required(*roles: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a view to answer 401 without a valid assertion, and 403 unless the caller has all of `roles`.

    For a method of a class-based view, use method_decorator.
    """

    def decorate(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        if iscoroutinefunction(view):
            asynchronous: Any = view

            @wraps(view)
            async def protected_async(*args: Any, **kwargs: Any) -> Any:
                current_identity(args[0], *roles)
                return await asynchronous(*args, **kwargs)

            return protected_async  # type: ignore[return-value]  # a coroutine function, as `view` is

        @wraps(view)
        def protected(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            current_identity(args[0], *roles)
            return view(*args, **kwargs)

        return protected

    return decorate
