"""Check a new password: the rules, and that it was typed the same twice."""

from auth_service.api.errors import invalid_fields
from auth_service.services import services


def check_new_password(
    field: str, password: str, retyped: str | None, *, email: str, first_name: str, last_name: str
) -> None:
    """Raise ApiError(400) if the password in `field` breaks a rule or differs from `retyped`.

    `retyped` is None if the settings do not require it.
    """
    rules = services().password_rules
    complaints = rules.complaints(password, email, first_name=first_name, last_name=last_name)
    if complaints:
        raise invalid_fields({field: complaints})
    if retyped not in (None, password):
        raise invalid_fields({"non_field_errors": ["The two password fields didn't match."]})
