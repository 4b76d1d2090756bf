"""/auth/admin/users/: list, search and create users with roles and status, and change them."""

from typing import ClassVar
from uuid import UUID

from flask import Response, request
from flask.typing import ResponseReturnValue

from auth_service.accounts.directory import Account, AccountFilter
from auth_service.accounts.user import AccountStatus
from auth_service.administration.user_administration import OwnAccount
from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.authentication import current_caller
from auth_service.api.errors import invalid_fields
from auth_service.api.models.administration.users import AccountResponse, CreateUserRequest, RolesRequest
from auth_service.api.models.page import PageResponse
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import (
    BAD_ROLE,
    BAD_STATUS,
    BUSY,
    EMAIL_TAKEN,
    LAST_STAFF,
    NO_PAGE,
    NO_USER,
    OWN_ACCOUNT,
    ROLES_CONFLICT,
    TOO_MANY_WORDS,
    WEAK_FIRST_PASSWORD,
)
from auth_service.api.openapi.query import AccountQuery
from auth_service.api.pagination import read_page, requested_page_size
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.api.users.new_password import check_new_password
from auth_service.api.users.users import read_search
from auth_service.services import services

PAGE_SIZE = 50
"""Users on a page without `?page_size=`."""
MAX_PAGE_SIZE = 200
"""Users on a page at most."""


class AdminUserList(AdminView):
    """All users."""

    name = "Admin User List"
    allow = "GET, POST, HEAD, OPTIONS"
    step_up_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(
        query=AccountQuery, returns={200: PageResponse[AccountResponse]}, errors=[NO_PAGE, TOO_MANY_WORDS, BAD_STATUS]
    )
    def get(self) -> Response:
        """Return a page of users in the order of registration. `?search=`, `?role=` and `?status=` select some."""
        return json_response(list_users())

    @described(
        body=CreateUserRequest,
        returns={201: AccountResponse},
        errors=[EMAIL_TAKEN, BAD_ROLE, WEAK_FIRST_PASSWORD, BUSY],
    )
    def post(self) -> Response:
        """Create an active user with a password and roles.

        400 if a field is invalid or the address is taken, 403 for a protected role or after too long a time since the
        password was entered.
        """
        services().passwords.check_queue()
        body = read_body(CreateUserRequest)
        check_new_password(
            "password", body.password, None, email=body.email, first_name=body.first_name, last_name=body.last_name
        )
        new_user = body.new_user(services().passwords.hash(body.password))
        user = services().administration.create(new_user, body.roles, by=current_caller().user)
        return json_response(AccountResponse.of(account_of(user.id)), 201)


def list_users() -> PageResponse[AccountResponse]:
    """Return the page of users that the request asks for. Raises ApiError(400) or ApiError(404)."""
    directory, wanted = services().directory, _requested_filter()

    def fetch(offset: int, limit: int) -> list[AccountResponse]:
        return [AccountResponse.of(found) for found in directory.page(wanted, offset=offset, limit=limit)]

    return read_page(directory.count(wanted), requested_page_size(PAGE_SIZE, MAX_PAGE_SIZE), fetch)


class AdminUser(AdminView):
    """A user."""

    name = "Admin User"
    allow = "GET, DELETE, HEAD, OPTIONS"
    step_up_methods: ClassVar[frozenset[str]] = frozenset({"DELETE"})

    @described(returns={200: AccountResponse}, errors=[NO_USER])
    def get(self, user_id: UUID) -> Response:
        """Return the user."""
        return _response(account_of(user_id))

    @described(returns={204: None}, errors=[NO_USER, OWN_ACCOUNT, LAST_STAFF])
    def delete(self, user_id: UUID) -> ResponseReturnValue:
        """Delete the user and end every session. 409 for the own account and for the last staff user."""
        caller = current_caller().user
        if user_id == caller.id:
            raise OwnAccount
        services().administration.delete(account_of(user_id).user, by=caller)
        return "", 204


class UserRoles(AdminView):
    """The roles of a user."""

    name = "Admin User Roles"
    allow = "PUT, OPTIONS"
    step_up_methods: ClassVar[frozenset[str]] = frozenset({"PUT"})

    @described(
        body=RolesRequest,
        returns={200: AccountResponse},
        errors=[NO_USER, BAD_ROLE, OWN_ACCOUNT, LAST_STAFF, ROLES_CONFLICT],
    )
    def put(self, user_id: UUID) -> Response:
        """Replace the roles. If they differ, every session of the user ends.

        400 if a role is not a valid name, 403 for a protected role, 409 for the own role staff and that of the last
        staff user.
        """
        roles = read_body(RolesRequest).roles
        services().administration.change_roles(user_id, lambda _: roles, by=current_caller().user)
        return _response(account_of(user_id))


class UserDeactivation(AdminView):
    """The deactivation of a user."""

    name = "Admin User Deactivate"
    allow = "POST, OPTIONS"
    step_up_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(returns={200: AccountResponse}, errors=[NO_USER, OWN_ACCOUNT, LAST_STAFF])
    def post(self, user_id: UUID) -> ResponseReturnValue:
        """Forbid the user to log in, and end every session. 409 for the own account and for the last staff user."""
        services().administration.deactivate(account_of(user_id).user, by=current_caller().user)
        return _response(account_of(user_id))


class UserActivation(AdminView):
    """The activation of a user."""

    name = "Admin User Activate"
    allow = "POST, OPTIONS"

    @described(returns={200: AccountResponse}, errors=[NO_USER])
    def post(self, user_id: UUID) -> ResponseReturnValue:
        """Allow the user to log in, also if the address is not verified."""
        services().administration.activate(account_of(user_id).user, by=current_caller().user)
        return _response(account_of(user_id))


def _response(account: Account) -> Response:
    return json_response(AccountResponse.of(account))


def _requested_filter() -> AccountFilter:
    status = request.args.get("status", "")
    if status and status not in list(AccountStatus):
        raise invalid_fields({"status": [f"Must be one of: {', '.join(AccountStatus)}."]})
    role = request.args.get("role", "").replace("\0", "")  # PostgreSQL has no text with NUL
    return AccountFilter(read_search(), role, AccountStatus(status) if status else None)
