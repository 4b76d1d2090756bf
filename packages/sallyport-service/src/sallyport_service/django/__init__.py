"""Identify callers in Django, with or without django.contrib.auth.

    MIDDLEWARE = [..., "sallyport_service.django.IdentityMiddleware"]  # after AuthenticationMiddleware, if you use it

    @roles_required("staff")
    def reports(request):
        return JsonResponse({"owner": request.identity.subject})

IDENTITY_SECRET, IDENTITY_SECRET_FILE and IDENTITY_AUDIENCE are read from Django's settings, or from the environment.
For a row in the table of users for each caller, set
AUTHENTICATION_BACKENDS = ["sallyport_service.django.backends.IdentityBackend"].
"""

from sallyport_service.django.middleware import IdentityMiddleware
from sallyport_service.django.users import IdentityUser
from sallyport_service.django.views import current_identity, identity_required, roles_required

__all__ = ["IdentityMiddleware", "IdentityUser", "current_identity", "identity_required", "roles_required"]
