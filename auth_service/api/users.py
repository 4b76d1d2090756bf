"""Owns /auth/users/: register, read, rename, delete, change a password."""

from typing import ClassVar
from uuid import UUID

from flask import Blueprint, Response, g, jsonify
from flask.typing import ResponseReturnValue

from auth_service.accounts.users import Account, EmailTaken, NewAccount
from auth_service.api.authentication import current_caller
from auth_service.api.endpoint import Endpoint
from auth_service.api.errors import forbidden, invalid_fields, not_found
from auth_service.api.fields import TextField, email_field, name_field, password_field, read_fields
from auth_service.api.pagination import page_of
from auth_service.api.request_body import read_members
from auth_service.audit.client import client_of_request
from auth_service.audit.trail import Reason
from auth_service.services import services
from auth_service.storage.models import User
from chassis.json_body import JSON

_TAKEN = "user with this email already exists."
_NAMES = {"first_name": name_field(), "last_name": name_field()}
_CURRENT_PASSWORD = {"current_password": password_field()}
_PASSWORDS = {"new_password": password_field(), **_CURRENT_PASSWORD}

user_endpoints = Blueprint("users", __name__, url_prefix="/users")


class Users(Endpoint):
    """Everybody who registered, as far as the caller may see them."""

    name = "User List"
    allow = "GET, POST, HEAD, OPTIONS"
    open_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    def get(self) -> Response:
        """200 the caller's own record, or all for staff; in pages where a page size is set."""
        only = None if current_caller().user.is_staff else current_caller().user.id
        size = services().settings.page_size
        if size is None:
            return jsonify([render_user(user) for user in services().accounts.page(only)])

        def fetch(offset: int, limit: int) -> list[JSON]:
            return [render_user(user) for user in services().accounts.page(only, offset=offset, limit=limit)]

        return jsonify(page_of(services().accounts.count(only), size, fetch))

    def post(self) -> ResponseReturnValue:
        """201 the new user; 400 names what is wrong, and stores nothing."""
        services().passwords.check_room()
        given = read_fields(read_members(), _registration_fields())
        _accept_password("password", given["password"], given["email"])
        account = NewAccount(
            email=given["email"],
            password_hash=services().passwords.hash(given["password"]),
            first_name=given.get("first_name", ""),
            last_name=given.get("last_name", ""),
        )
        try:
            user = services().accounts.register(account, services().clock())
        except EmailTaken as error:
            raise invalid_fields({"email": [_TAKEN]}) from error
        return jsonify(render_user(user)), 201


class OneUser(Endpoint):
    """A user by id: the caller, or for staff anybody."""

    name = "User Instance"
    allow = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"

    def get(self, user_id: UUID) -> Response:
        """200; 404 for anybody the caller may not see."""
        return jsonify(render_user(_visible_user(user_id)))

    def put(self, user_id: UUID) -> Response:
        """200 the user with new names; everything else in the body is ignored."""
        return jsonify(render_user(_rename(_visible_user(user_id))))

    def patch(self, user_id: UUID) -> Response:
        """200 the user with new names, of which any may be left out."""
        return self.put(user_id)

    def delete(self, user_id: UUID) -> ResponseReturnValue:
        """204 for the caller, or for staff with their own password; 403 for anybody else who exists."""
        user = _find_user(user_id)
        if not _may_touch(user):
            raise forbidden()
        return _delete(user)


class NoUser(OneUser):
    """What is no id: nothing is there, whoever asks."""

    def dispatch_request(self, **_: object) -> ResponseReturnValue:
        """404, with the Allow of the recorded answers."""
        g.allow = self.allow
        raise not_found()


class Me(Endpoint):
    """The caller."""

    name = "User Me"
    allow = OneUser.allow

    def get(self) -> Response:
        """200."""
        return jsonify(render_user(current_caller().user))

    def put(self) -> Response:
        """200 the caller with new names; the e-mail address is read-only."""
        return jsonify(render_user(_rename(current_caller().user)))

    def patch(self) -> Response:
        """200 the caller with new names, of which any may be left out."""
        return self.put()

    def delete(self) -> ResponseReturnValue:
        """204, given the password."""
        return _delete(current_caller().user)


class SetPassword(Endpoint):
    """A new password for the caller."""

    name = "User Set Password"
    allow = "POST, OPTIONS"

    def post(self) -> ResponseReturnValue:
        """204, and every other session of the caller has ended."""
        caller = current_caller()
        given = read_fields(read_members(), _PASSWORDS)
        _check_current_password(given["current_password"])
        _accept_password("new_password", given["new_password"], caller.user.email)
        now = services().clock()
        password_hash = services().passwords.hash(given["new_password"])
        ended = services().accounts.change_password(caller.user, password_hash, now, keep=caller.sid)
        if ended is None:  # somebody else changed it in between
            raise invalid_fields({"current_password": ["Invalid password."]})
        services().endings.announce(ended, Reason.PASSWORD_CHANGED)
        return "", 204


def render_user(user: User | Account) -> JSON:
    """The user as every answer shows it."""
    return {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "id": str(user.id),
    }


def _registration_fields() -> dict[str, TextField]:
    def taken(email: str) -> list[str]:
        # Counted first: whether an address is taken is told here, and must not be asked without end.
        throttle = services().throttle
        throttle.admit_registration(throttle.attempt(email, client_of_request().address))
        return [_TAKEN] if services().accounts.is_email_taken(email) else []

    return {"email": email_field(taken), "password": password_field(), **_NAMES}


def _accept_password(field: str, password: str, email: str) -> None:
    complaints = services().password_rules.complaints(password, email)
    if complaints:
        raise invalid_fields({field: complaints})


def _check_current_password(password: str) -> None:
    if not services().grants.verify_password(current_caller().user, password, client_of_request()):
        raise invalid_fields({"current_password": ["Invalid password."]})


def _may_touch(user: User) -> bool:
    caller = current_caller().user
    return user.id == caller.id or caller.is_staff


def _find_user(user_id: UUID) -> User:
    user = services().accounts.find(user_id)
    if user is None:
        raise not_found("No User matches the given query.")
    return user


def _visible_user(user_id: UUID) -> User:
    user = _find_user(user_id)
    if not _may_touch(user):
        raise not_found()
    return user


def _rename(user: User) -> User:
    renamed = services().accounts.rename(user, read_fields(read_members(), _NAMES))
    if renamed is None:
        raise not_found()
    return renamed


def _delete(user: User) -> ResponseReturnValue:
    given = read_fields(read_members(), _CURRENT_PASSWORD)
    _check_current_password(given["current_password"])
    ended = services().accounts.delete(user, services().clock())
    services().endings.announce(ended, Reason.USER_DELETED)
    return "", 204


user_endpoints.add_url_rule("/", view_func=Users.as_view("users"))
user_endpoints.add_url_rule("/me/", view_func=Me.as_view("me"))
user_endpoints.add_url_rule("/set_password/", view_func=SetPassword.as_view("set_password"))
user_endpoints.add_url_rule("/<uuid:user_id>/", view_func=OneUser.as_view("user"))
user_endpoints.add_url_rule("/<name>/", view_func=NoUser.as_view("no_user"))
