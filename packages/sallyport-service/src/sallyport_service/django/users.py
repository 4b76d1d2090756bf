"""The user of an identity: a row of the table of users with IdentityBackend, otherwise a user without a row."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.http import HttpRequest

from sallyport_service.identity import Identity


@dataclass(frozen=True, slots=True)
class IdentityUser:
    """A user without a row in the database. It has no permissions of its own: use roles."""

    identity: Identity
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_superuser = False

    @property
    def pk(self) -> str:
        """The user's id at the auth service."""
        return self.identity.subject

    @property
    def id(self) -> str:
        """The user's id at the auth service."""
        return self.identity.subject

    @property
    def username(self) -> str:
        """The user's id at the auth service."""
        return self.identity.subject

    @property
    def email(self) -> str:
        """The e-mail address."""
        return self.identity.email

    @property
    def is_staff(self) -> bool:
        """Whether the caller has the role `staff`."""
        return self.identity.has_role("staff")

    def get_username(self) -> str:
        """Return the user's id at the auth service."""
        return self.identity.subject

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Return False: permissions of Django need IdentityBackend."""
        return False

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        """Return False: permissions of Django need IdentityBackend."""
        return False

    def has_module_perms(self, package_name: str) -> bool:
        """Return False: permissions of Django need IdentityBackend."""
        return False

    def __str__(self) -> str:
        return self.identity.subject


def user_for(request: HttpRequest, identity: Identity) -> Any:
    """Return the user of `identity`: its row, if AUTHENTICATION_BACKENDS has an IdentityBackend, or an IdentityUser.

    An AnonymousUser if the row is deactivated. The database is read only with an IdentityBackend.
    """
    if not apps.is_installed("django.contrib.auth"):
        return IdentityUser(identity)
    # These modules define database models, which Django allows only in an installed application.
    from django.contrib.auth import get_backends
    from django.contrib.auth.models import AnonymousUser

    from sallyport_service.django.backends import IdentityBackend

    for backend in get_backends():
        if isinstance(backend, IdentityBackend):
            return backend.authenticate(request, identity=identity) or AnonymousUser()
    return IdentityUser(identity)
