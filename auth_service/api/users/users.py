"""/auth/users/: register, list, read, rename and delete users."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID, uuid4

from flask import Response, g, request
from flask.typing import ResponseReturnValue

from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import AccountStatus, NewUser, User
from auth_service.api.authentication import current_caller
from auth_service.api.client_of_request import client_of_request, set_actor_of_request
from auth_service.api.errors import forbidden, invalid_fields, not_found
from auth_service.api.models.page import PageResponse
from auth_service.api.models.users import (
    DeleteUserRequest,
    RegisterRequest,
    RenameRequest,
    RetypedRegisterRequest,
    UserListResponse,
    UserResponse,
)
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import (
    BUSY,
    EMAIL_TAKEN,
    LAST_STAFF,
    NO_PAGE,
    NO_USER,
    PROTECTED_ROLE,
    THROTTLED,
    TOO_MANY_WORDS,
    WEAK_FIRST_PASSWORD,
    WRONG_PASSWORD,
)
from auth_service.api.openapi.query import UserQuery
from auth_service.api.pagination import read_page
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.api.users.current_password import read_with_current_password
from auth_service.api.users.new_password import check_new_password
from auth_service.api.view import ApiView
from auth_service.services import services

MAX_SEARCH_WORDS = 20
"""Words of a search. SQLite refuses a statement with about 1,000 conditions."""


class UserList(ApiView):
    """The users that the caller may see, and the registration of a new one."""

    name = "User List"
    allow = "GET, POST, HEAD, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(
        query=UserQuery,
        returns={200: (UserListResponse, PageResponse[UserResponse])},
        errors=[NO_PAGE, TOO_MANY_WORDS],
    )
    def get(self) -> Response:
        """Return the caller, or all users if the caller is staff. The list is paginated if PAGE_SIZE is set.

        With `?search=`, only users whose address or a name contains each of its words. 400 for too many words.
        """
        users, size = services().users, services().settings.page_size
        own = None if current_caller().user.is_staff else current_caller().user.id
        search = read_search()
        if size is None:
            return json_response(UserListResponse(_responses(users.page(own, search=search))))

        def fetch(offset: int, limit: int) -> list[UserResponse]:
            return _responses(users.page(own, search=search, offset=offset, limit=limit))

        return json_response(read_page(users.count(own, search=search), size, fetch))

    @described(
        body=RegisterRequest, returns={201: UserResponse}, errors=[EMAIL_TAKEN, WEAK_FIRST_PASSWORD, THROTTLED, BUSY]
    )
    def post(self) -> Response:
        """Register a user. 400 if a field is invalid or the address is taken, 429 after too many registrations."""
        services().passwords.check_queue()
        settings = services().settings
        body = read_body(RetypedRegisterRequest if settings.user_create_password_retype else RegisterRequest)
        try:
            user = UserResponse.model_validate(_register(body))
        except EmailTaken:
            if not settings.conceal_registered_emails:
                raise
            user = _concealing_response(body)
        return json_response(user, 201)


class UserInstance(ApiView):
    """A user by id: the caller, or for staff any user."""

    name = "User Instance"
    allow = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"

    @described(returns={200: UserResponse}, errors=[NO_USER])
    def get(self, user_id: UUID) -> Response:
        """Return the user. 404 if the user does not exist or the caller may not see them."""
        return json_response(UserResponse.model_validate(_visible_user(user_id)))

    @described(body=RenameRequest, returns={200: UserResponse}, errors=[NO_USER, PROTECTED_ROLE])
    def put(self, user_id: UUID) -> Response:
        """Change the names of the user. Other fields of the body are ignored.

        403 for a holder of a protected role.
        """
        return _rename(_visible_user(user_id))

    @described(body=RenameRequest, returns={200: UserResponse}, errors=[NO_USER, PROTECTED_ROLE])
    def patch(self, user_id: UUID) -> Response:
        """Change the names of the user. Other fields of the body are ignored."""
        return self.put(user_id)

    @described(
        body=DeleteUserRequest,
        returns={204: None},
        errors=[forbidden(), PROTECTED_ROLE, NO_USER, WRONG_PASSWORD, LAST_STAFF, THROTTLED, BUSY],
    )
    def delete(self, user_id: UUID) -> ResponseReturnValue:
        """Delete the user.

        403 if the caller may not do that, 400 without the caller's right password in the body, 409 for the last staff
        user.
        """
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

    @described(returns={200: UserResponse})
    def get(self) -> Response:
        """Return the caller."""
        return json_response(UserResponse.model_validate(current_caller().user))

    @described(body=RenameRequest, returns={200: UserResponse}, errors=[not_found()])
    def put(self) -> Response:
        """Change the names of the caller. Other fields of the body are ignored, `email` among them."""
        return _rename(current_caller().user)

    @described(body=RenameRequest, returns={200: UserResponse}, errors=[not_found()])
    def patch(self) -> Response:
        """Change the names of the caller. Other fields of the body are ignored, `email` among them."""
        return self.put()

    @described(
        body=DeleteUserRequest, returns={204: None}, errors=[NO_USER, WRONG_PASSWORD, LAST_STAFF, THROTTLED, BUSY]
    )
    def delete(self) -> ResponseReturnValue:
        """Delete the caller. 400 without the caller's right password in the body."""
        return _delete(current_caller().user)


def read_search() -> str:
    """Return the text of `?search=`. Raises ApiError(400) if it has too many words."""
    search = request.args.get("search", "").replace("\0", "")  # PostgreSQL has no text with NUL
    if len(search.split()) > MAX_SEARCH_WORDS:
        raise invalid_fields({"search": [f"Ensure this field has no more than {MAX_SEARCH_WORDS} words."]})
    return search


def _responses(users: Sequence[User]) -> list[UserResponse]:
    return [UserResponse.model_validate(user) for user in users]


def _register(body: RegisterRequest) -> User:
    """Register a user. Raises EmailTaken.

    If a mail has to verify the address, a taken address is looked up by the statement that stores the user. So the
    time of the response does not reveal whether it is taken.
    """
    must_verify = services().settings.send_activation_email
    # Counted before the look-up, because the response may show whether the address has an account.
    throttle = services().throttle
    throttle.admit_registration(throttle.attempt(body.email, client_of_request().address))
    if not must_verify and services().users.is_email_taken(body.email):
        raise EmailTaken
    check_new_password(
        "password",
        body.password,
        body.retyped,
        email=body.email,
        first_name=body.first_name,
        last_name=body.last_name,
    )
    password_hash = services().passwords.hash(body.password)
    status = AccountStatus.UNVERIFIED if must_verify else AccountStatus.ACTIVE
    new_user = NewUser(body.email, password_hash, body.first_name, body.last_name, status=status)
    return services().users.register(new_user, services().clock())


def _concealing_response(body: RegisterRequest) -> UserResponse:
    """Return the response of a registration that succeeded, for a taken address."""
    return UserResponse(first_name=body.first_name, last_name=body.last_name, email=body.email, id=uuid4())


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
    names, caller = read_body(RenameRequest).given_names(), current_caller().user
    _note_actor(user)
    renamed = services().administration.rename(user, names, by=caller)
    if renamed is None:
        raise not_found()
    return json_response(UserResponse.model_validate(renamed))


def _delete(user: User) -> ResponseReturnValue:
    read_with_current_password(DeleteUserRequest)
    _note_actor(user)
    services().administration.delete(user, by=current_caller().user)
    return "", 204


def _note_actor(user: User) -> None:
    """Record the caller as the one who acts, if the user is another one."""
    caller = current_caller().user
    if user.id != caller.id:
        set_actor_of_request(str(caller.id))
