"""Step-up: dangerous acts need a password that was entered a short time ago. RFC 9470 has the names."""

from auth_service.api.authentication import current_caller
from auth_service.api.errors import insufficient_user_authentication
from auth_service.services import services


def is_recently_authenticated() -> bool:
    """Return whether the caller entered the password at most STEP_UP_MAX_AGE seconds ago in this session."""
    age = services().clock() - services().sessions.authenticated_at(current_caller().sid)
    return age <= services().settings.step_up_max_age


def require_recent_authentication() -> None:
    """Raise ApiError(403) if the caller has to enter the password again first."""
    if not is_recently_authenticated():
        raise insufficient_user_authentication(services().settings.step_up_max_age)
