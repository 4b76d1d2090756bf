"""/auth/admin/users/: list and search users with roles and status, and change them."""

from uuid import UUID

from flask import Response, request
from flask.typing import ResponseReturnValue

from auth_service.accounts.directory import Account, AccountFilter
from auth_service.accounts.user import AccountStatus
from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.authentication import current_caller
from auth_service.api.errors import invalid_fields
from auth_service.api.models.admin import AccountResponse, RolesRequest
from auth_service.api.pagination import read_page, requested_page_size
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.api.users.users import read_search
from auth_service.services import services

PAGE_SIZE = 50
"""Users on a page without `?page_size=`."""
MAX_PAGE_SIZE = 200
"""Users on a page at most."""


class AdminUserList(AdminView):
    """All users."""

    name = "Admin User List"
    allow = "GET, HEAD, OPTIONS"

    def get(self) -> Response:
        """Return a page of users in the order of registration. `?search=`, `?role=` and `?status=` select some."""
        directory, wanted = services().directory, _requested_filter()

        def fetch(offset: int, limit: int) -> list[AccountResponse]:
            return [AccountResponse.of(found) for found in directory.page(wanted, offset=offset, limit=limit)]

        return json_response(read_page(directory.count(wanted), requested_page_size(PAGE_SIZE, MAX_PAGE_SIZE), fetch))


class AdminUser(AdminView):
    """A user."""

    name = "Admin User"
    allow = "GET, HEAD, OPTIONS"

    def get(self, user_id: UUID) -> Response:
        """Return the user."""
        return _response(account_of(user_id))


class UserRoles(AdminView):
    """The roles of a user."""

    name = "Admin User Roles"
    allow = "PUT, OPTIONS"

    def put(self, user_id: UUID) -> Response:
        """Replace the roles. If they differ, every session of the user ends.

        400 if a role is not a valid name, 409 for the own role staff and that of the last staff user.
        """
        roles = read_body(RolesRequest).roles
        services().administration.change_roles(user_id, lambda _: roles, by=current_caller().user.id)
        return _response(account_of(user_id))


class UserDeactivation(AdminView):
    """The deactivation of a user."""

    name = "Admin User Deactivate"
    allow = "POST, OPTIONS"

    def post(self, user_id: UUID) -> ResponseReturnValue:
        """Forbid the user to log in, and end every session. 409 for the own account and for the last staff user."""
        services().administration.deactivate(account_of(user_id).user, by=current_caller().user.id)
        return _response(account_of(user_id))


class UserActivation(AdminView):
    """The activation of a user."""

    name = "Admin User Activate"
    allow = "POST, OPTIONS"

    def post(self, user_id: UUID) -> ResponseReturnValue:
        """Allow the user to log in, also if the address is not verified."""
        services().administration.activate(account_of(user_id).user)
        return _response(account_of(user_id))


def _response(account: Account) -> Response:
    return json_response(AccountResponse.of(account))


def _requested_filter() -> AccountFilter:
    status = request.args.get("status", "")
    if status and status not in list(AccountStatus):
        raise invalid_fields({"status": [f"Must be one of: {', '.join(AccountStatus)}."]})
    role = request.args.get("role", "").replace("\0", "")  # PostgreSQL has no text with NUL
    return AccountFilter(read_search(), role, AccountStatus(status) if status else None)
