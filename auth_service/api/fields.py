"""Owns how members of a body become checked texts, and what is said of those that do not.

The words are those of Django REST framework, which clients of this API show to people as they come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auth_service.accounts.email_addresses import is_email
from auth_service.accounts.passwords import MAX_PASSWORD
from auth_service.api.errors import invalid_fields
from auth_service.storage.models import MAX_EMAIL, MAX_NAME
from chassis.json_body import JSON

REQUIRED = "This field is required."
BLANK = "This field may not be blank."
NULL = "This field may not be null."
NOT_A_STRING = "Not a valid string."
NOT_AN_EMAIL = "Enter a valid email address."
NUL_CHARACTER = "Null characters are not allowed."
NOT_TEXT = "This field holds bytes that are no UTF-8."

Check = Callable[[str], Sequence[str]]
"""What is wrong with a text that is otherwise fine."""


def _nothing_wrong(_: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class TextField:
    """A string of at most `max_length` characters, less the spaces around it. Numbers are taken as their digits."""

    max_length: int
    is_required: bool = True
    may_be_blank: bool = False
    of_wrong_type: str = NOT_A_STRING
    check: Check = _nothing_wrong

    def complaints(self, value: JSON) -> Sequence[str]:
        """What is wrong with `value`; empty when nothing is."""
        if value is None:
            return (NULL,)
        if isinstance(value, bool | list | dict):
            return (self.of_wrong_type,)
        return self._complaints_of_text(_text(value))

    def _complaints_of_text(self, text: str) -> Sequence[str]:
        if not text:
            return () if self.may_be_blank else (BLANK,)
        if "\0" in text:
            return (NUL_CHARACTER,)
        if not _is_unicode(text):
            return (NOT_TEXT,)
        if len(text) > self.max_length:
            return (f"Ensure this field has no more than {self.max_length} characters.",)
        return self.check(text)


def read_fields(members: Mapping[str, JSON], fields: Mapping[str, TextField]) -> dict[str, str]:
    """The texts of `fields` in `members`; optional ones that are missing stay so, and what is not asked is ignored.

    Raises AuthRefused 400 that names every field at fault.
    """
    complaints = {
        name: found
        for name, field in fields.items()
        if (found := field.complaints(members[name]) if name in members else _missing(field))
    }
    if complaints:
        raise invalid_fields(complaints)
    return {name: _text(members[name]) for name in fields if name in members}


def email_field(check: Check = _nothing_wrong) -> TextField:
    """A new e-mail address; `check` is asked once it is well-formed."""
    return TextField(
        MAX_EMAIL, of_wrong_type=NOT_AN_EMAIL, check=lambda text: check(text) if is_email(text) else (NOT_AN_EMAIL,)
    )


def password_field() -> TextField:
    """A password, new or old. Whether a new one is good enough is asked later, with the e-mail address at hand."""
    return TextField(MAX_PASSWORD)


def name_field() -> TextField:
    """A first or last name, which may be left out or blank."""
    return TextField(MAX_NAME, is_required=False, may_be_blank=True)


def _is_unicode(text: str) -> bool:
    # Lone surrogates are what json and the form's decoder leave of bytes that are none.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _missing(field: TextField) -> Sequence[str]:
    return (REQUIRED,) if field.is_required else ()


def _text(value: JSON) -> str:
    return str(value).strip()
