"""A form of a page: the values to show again, and the errors of the API, by field."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from flask import request

from auth_service.accounts.passwords.hashing import HashingBusy
from auth_service.accounts.roles import InvalidRole
from auth_service.accounts.store import EmailTaken, LastStaffUser
from auth_service.administration.role_protection import ProtectedRole
from auth_service.administration.user_administration import NoSuchUser, NotInvitable, OwnAccount, RolesConflict
from auth_service.api.error_handlers import ERRORS
from auth_service.api.errors import ApiError
from auth_service.api.models.errors import ErrorResponse, FieldErrorsResponse
from auth_service.pages.context import page_error, page_text
from auth_service.throttling.login_throttle import Throttled
from auth_service.tokens.claims_hook import ClaimsUnavailable
from auth_service.tokens.grants import BadCredentials

MAX_VALUE = 300
"""Characters of a value that are shown again."""

_LINK_FIELDS = frozenset({"uid", "token"})


_REFUSALS = (
    BadCredentials,
    EmailTaken,
    InvalidRole,
    LastStaffUser,
    NotInvitable,
    NoSuchUser,
    OwnAccount,
    ProtectedRole,
    RolesConflict,
)
"""The exceptions of an action that refuse the form."""


@dataclass(frozen=True, slots=True)
class FormError:
    """An error. `field` is empty if it is for the whole form."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it is shown. `status` and `headers` are those of the response."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FormError] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    has_dead_link: bool = False
    """Whether the link of the mail that led to the form is wrong, too old or used."""

    def value(self, name: str) -> str:
        """Return the value of a field."""
        return self.values.get(name, "")

    def errors_of(self, name: str) -> Sequence[str]:
        """Return the errors of a field."""
        return [error.text for error in self.errors if error.field == name]

    def error_ids(self, name: str) -> Sequence[str]:
        """Return the ids of the elements that have the errors of a field."""
        return [f"e-{name}-{number}" for number, _ in enumerate(self.errors_of(name), 1)]


def submit(action: Callable[[], object], fields: Collection[str]) -> Form | None:
    """Run `action`, a view of the API that reads the form. Return None if it succeeds, else the form with its errors.

    `fields` are the names of the fields that the page shows.
    """
    try:
        action()
    except ApiError as error:
        return _refused_form(error, fields)
    except _REFUSALS as error:
        return _refused_form(ERRORS[type(error)](error), fields)
    except Throttled as error:
        text = page_text("error.throttled", time=_wait_text(error.seconds))
        return _form(ERRORS[Throttled](error), [FormError("", text)], fields)
    except (HashingBusy, ClaimsUnavailable) as error:
        return _form(ERRORS[type(error)](error), [FormError("", page_text("error.busy"))], fields)
    return None


def _refused_form(error: ApiError, fields: Collection[str]) -> Form:
    texts: Mapping[str, Sequence[str]] = {}
    if isinstance(error.body, FieldErrorsResponse):
        texts = error.body.root
    elif isinstance(error.body, ErrorResponse):
        texts = {"": [error.body.detail]}
    errors = [
        FormError(name if name in fields else "", page_error(text)) for name, found in texts.items() for text in found
    ]
    return _form(error, errors, fields, has_dead_link=bool(_LINK_FIELDS & set(texts)))


def _form(
    error: ApiError, errors: Sequence[FormError], fields: Collection[str], *, has_dead_link: bool = False
) -> Form:
    values = {name: request.form.get(name, "")[:MAX_VALUE] for name in fields if "password" not in name}
    return Form(values, errors, error.status, error.headers, has_dead_link)


def _wait_text(seconds: int) -> str:
    if seconds < 120:
        return page_text("error.seconds", count=seconds)
    return page_text("error.minutes", count=-(-seconds // 60))
