"""/auth/users/: register, read, rename and delete users, and change a password."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import NewUser, User
from auth_service.api.authentication import current_caller
from auth_service.api.errors import forbidden, invalid_fields, not_found
from auth_service.api.models.users import (
    DeleteUserRequest,
    RegisterRequest,
    RenameRequest,
    SetPasswordRequest,
    UserListResponse,
    UserResponse,
)
from auth_service.api.pagination import read_page
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.api.view import ApiView
from auth_service.events.client import client_of_request
from auth_service.services import services

user_endpoints = Blueprint("users", __name__, url_prefix="/users")


class UserList(ApiView):
    """The users that the caller may see, and the registration of a new one."""

    name = "User List"
    allow = "GET, POST, HEAD, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    def get(self) -> Response:
        """Return the caller, or all users if the caller is staff. The list is paginated if PAGE_SIZE is set."""
        user_filter = None if current_caller().user.is_staff else current_caller().user.id
        size = services().settings.page_size
        if size is None:
            return json_response(UserListResponse(_responses(services().users.page(user_filter))))

        def fetch(offset: int, limit: int) -> list[UserResponse]:
            return _responses(services().users.page(user_filter, offset=offset, limit=limit))

        return json_response(read_page(services().users.count(user_filter), size, fetch))

    def post(self) -> Response:
        """Register a user. 400 if a field is invalid or the address is taken, 429 after too many registrations."""
        services().passwords.check_queue()
        body = read_body(RegisterRequest)
        _check_email_is_free(body.email)
        _check_password_rules("password", body.password, body.email, body.first_name, body.last_name)
        password_hash = services().passwords.hash(body.password)
        new_user = NewUser(body.email, password_hash, body.first_name, body.last_name)
        user = services().users.register(new_user, services().clock())
        return json_response(UserResponse.model_validate(user), 201)


class UserInstance(ApiView):
    """A user by id: the caller, or for staff any user."""

    name = "User Instance"
    allow = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"

    def get(self, user_id: UUID) -> Response:
        """Return the user. 404 if the user does not exist or the caller may not see them."""
        return json_response(UserResponse.model_validate(_visible_user(user_id)))

    def put(self, user_id: UUID) -> Response:
        """Change the names of the user. Other fields of the body are ignored."""
        return _rename(_visible_user(user_id))

    def patch(self, user_id: UUID) -> Response:
        """Change the names of the user. Other fields of the body are ignored."""
        return self.put(user_id)

    def delete(self, user_id: UUID) -> ResponseReturnValue:
        """Delete the user. 403 if the caller may not do that, 400 without the caller's right password in the body."""
        user = _find_user(user_id)
        if not _may_change(user):
            raise forbidden()
        return _delete(user)


class UserWithInvalidId(ApiView):
    """A path whose last segment is not a user id."""

    name = UserInstance.name
    allow = UserInstance.allow

    def dispatch_request(self, **_: object) -> ResponseReturnValue:
        """Answer 404 without authentication, with the Allow header that djoser sends."""
        g.allow = self.allow
        raise not_found()


class Me(ApiView):
    """The caller."""

    name = "User Me"
    allow = UserInstance.allow

    def get(self) -> Response:
        """Return the caller."""
        return json_response(UserResponse.model_validate(current_caller().user))

    def put(self) -> Response:
        """Change the names of the caller. Other fields of the body are ignored, `email` among them."""
        return _rename(current_caller().user)

    def patch(self) -> Response:
        """Change the names of the caller. Other fields of the body are ignored, `email` among them."""
        return self.put()

    def delete(self) -> ResponseReturnValue:
        """Delete the caller. 400 without the caller's right password in the body."""
        return _delete(current_caller().user)


class SetPassword(ApiView):
    """The caller's password."""

    name = "User Set Password"
    allow = "POST, OPTIONS"

    def post(self) -> ResponseReturnValue:
        """Change the password and end every other session of the caller.

        400 if the current password is wrong or the new one breaks a rule.
        """
        caller = current_caller()
        body = read_body(SetPasswordRequest)
        _check_current_password(body.current_password)
        user = caller.user
        _check_password_rules("new_password", body.new_password, user.email, user.first_name, user.last_name)
        now = services().clock()
        password_hash = services().passwords.hash(body.new_password)
        if not services().users.change_password(caller.user, password_hash, now, keep=caller.sid):
            raise _wrong_current_password()  # the password or the user changed since it was verified
        return "", 204


def _responses(users: Sequence[User]) -> list[UserResponse]:
    return [UserResponse.model_validate(user) for user in users]


def _check_email_is_free(email: str) -> None:
    # Counted before the look-up, because the response shows whether the address has an account.
    throttle = services().throttle
    throttle.admit_registration(throttle.attempt(email, client_of_request().address))
    if services().users.is_email_taken(email):
        raise EmailTaken


def _check_password_rules(field: str, password: str, email: str, first_name: str, last_name: str) -> None:
    rules = services().password_rules
    complaints = rules.complaints(password, email, first_name=first_name, last_name=last_name)
    if complaints:
        raise invalid_fields({field: complaints})


def _check_current_password(password: str) -> None:
    caller = current_caller()
    if not services().grants.verify_password(caller.user, password, client_of_request(), session=caller.sid):
        raise _wrong_current_password()


def _wrong_current_password() -> Exception:
    return invalid_fields({"current_password": ["Invalid password."]})


def _may_change(user: User) -> bool:
    caller = current_caller().user
    return user.id == caller.id or caller.is_staff


def _find_user(user_id: UUID) -> User:
    caller = current_caller().user
    user = caller if user_id == caller.id else services().users.find(user_id)
    if user is None:
        raise not_found("No User matches the given query.")
    return user


def _visible_user(user_id: UUID) -> User:
    user = _find_user(user_id)
    if not _may_change(user):
        raise not_found()
    return user


def _rename(user: User) -> Response:
    renamed = services().users.rename(user.id, read_body(RenameRequest).given_names())
    if renamed is None:
        raise not_found()
    return json_response(UserResponse.model_validate(renamed))


def _delete(user: User) -> ResponseReturnValue:
    _check_current_password(read_body(DeleteUserRequest).current_password)
    services().users.delete(user, services().clock())
    return "", 204


user_endpoints.add_url_rule("/", view_func=UserList.as_view("users"))
user_endpoints.add_url_rule("/me/", view_func=Me.as_view("me"))
user_endpoints.add_url_rule("/set_password/", view_func=SetPassword.as_view("set_password"))
user_endpoints.add_url_rule("/<uuid:user_id>/", view_func=UserInstance.as_view("user"))
user_endpoints.add_url_rule("/<name>/", view_func=UserWithInvalidId.as_view("user_with_invalid_id"))
