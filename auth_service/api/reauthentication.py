"""/auth/sessions/reauthenticate/: enter the password again, so that dangerous acts are possible for a while."""

from flask.typing import ResponseReturnValue

from auth_service.api.authentication import current_caller
from auth_service.api.errors import bad_access_token
from auth_service.api.models.passwords import CurrentPasswordRequest
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import BUSY, THROTTLED, WRONG_PASSWORD
from auth_service.api.users.current_password import read_with_current_password
from auth_service.api.view import ApiView
from auth_service.services import services


class Reauthentication(ApiView):
    """The password of the caller, entered again in the session of the access token."""

    name = "Reauthenticate"
    allow = "POST, OPTIONS"

    @described(body=CurrentPasswordRequest, returns={204: None}, errors=[WRONG_PASSWORD, THROTTLED, BUSY])
    def post(self) -> ResponseReturnValue:
        """Record that the caller entered the password now. 400 if it is wrong, 429 after too many attempts."""
        read_with_current_password(CurrentPasswordRequest)
        caller = current_caller()
        if not services().sessions.record_authentication(caller.sid, caller.user.id, services().clock()):
            raise bad_access_token("Token is blacklisted")  # the session ended meanwhile
        return "", 204
