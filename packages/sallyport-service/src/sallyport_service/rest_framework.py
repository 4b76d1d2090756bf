"""Identify callers in Django REST framework.

MIDDLEWARE = [..., "sallyport_service.django.IdentityMiddleware"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["sallyport_service.rest_framework.IdentityAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["sallyport_service.rest_framework.IdentityRequired"],
}

class Reports(APIView):
    permission_classes = [roles_required("staff")]
"""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sallyport_service.django.users import user_for
from sallyport_service.django.views import current_identity
from sallyport_service.identity import Identity
from sallyport_service.refusal import IdentityRefused


class IdentityAuthentication(BaseAuthentication):
    """Authenticates a request by the identity that IdentityMiddleware verified: `request.user` and `request.auth`."""

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """Return the user and the identity, or None without an assertion or if the user's row is deactivated."""
        try:
            identity = current_identity(request._request)
        except IdentityRefused:
            return None
        user = user_for(request._request, identity)
        return (user, identity) if user.is_authenticated else None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return 'Bearer realm="api"'


class IdentityRequired(BasePermission):
    """Permits requests with a valid assertion. Others are answered 401."""

    roles: tuple[str, ...] = ()

    def has_permission(self, request: Request, view: object) -> bool:
        """Return whether the caller may use `view`."""
        identity = request.auth
        if not isinstance(identity, Identity):
            return False
        missing = identity.missing_role(self.roles)
        self.message = f"This needs the role {missing!r}."
        return missing is None


def roles_required(*roles: str) -> type[IdentityRequired]:
    """Return a permission class: 401 without a valid assertion, 403 unless the caller has all of `roles`."""
    return type("RolesRequired", (IdentityRequired,), {"roles": roles})
