"""The base class of the views under /auth/admin/, and the user that a path names."""

from typing import ClassVar
from uuid import UUID

from flask import request

from auth_service.accounts.directory import Account
from auth_service.api.authentication import current_caller
from auth_service.api.client_of_request import set_actor_of_request
from auth_service.api.errors import forbidden, not_found
from auth_service.api.step_up import require_recent_authentication
from auth_service.api.view import ApiView
from auth_service.services import services


class AdminView(ApiView):
    """A resource for users with the role staff. What they change is recorded with their id as the actor."""

    step_up_methods: ClassVar[frozenset[str]] = frozenset()
    """Methods of dangerous acts, before which the caller must have entered the password a short time ago."""

    def check_caller(self) -> None:
        """Raise ApiError(403) if the caller is not staff, or has to enter the password again for this method.

        The role is read from SQL, not from the token.
        """
        caller = current_caller().user
        if not caller.is_staff:
            raise forbidden()
        set_actor_of_request(str(caller.id))
        if request.method in self.step_up_methods:
            require_recent_authentication()


def account_of(user_id: UUID) -> Account:
    """Return the user of a path. Raises ApiError(404)."""
    account = services().directory.find(user_id)
    if account is None:
        raise not_found("No User matches the given query.")
    return account
