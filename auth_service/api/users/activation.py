"""/auth/users/activation/ and resend_activation/: verify the address of a new account."""

from dataclasses import replace
from typing import ClassVar

from flask.typing import ResponseReturnValue

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.user import AccountStatus, User
from auth_service.api.errors import ApiError, error_with_detail
from auth_service.api.models.mail_links import ActivationRequest, MailRequest
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import BAD_LINK, EMAIL_NOT_FOUND, THROTTLED, USED_LINK
from auth_service.api.request_body import read_body
from auth_service.api.users.mail_links import (
    check_account_exists,
    count_mail_request,
    invalid_token,
    queue_mail,
    trust_address,
    user_of_uid,
)
from auth_service.api.view import ApiView
from auth_service.mail.outbox import MailKind
from auth_service.services import services


class Activation(ApiView):
    """The activation of a new account by the link in a mail."""

    name = "User Activation"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=ActivationRequest, returns={204: None}, errors=[BAD_LINK, USED_LINK])
    def post(self) -> ResponseReturnValue:
        """Let the user of the link log in. 400 if the link is wrong or too old, 403 if it was used before."""
        body = read_body(ActivationRequest)
        user = user_of_activation_link(body.uid, body.token)
        if user.is_active or not services().users.activate_verified(user, services().clock()):
            raise error_with_detail(403, "Stale token for given user.")
        trust_address(user)
        return "", 204


class ResendActivation(ApiView):
    """A request for another activation mail."""

    name = "User Resend Activation"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=MailRequest, returns={204: None}, errors=[EMAIL_NOT_FOUND, ApiError(400, None), THROTTLED])
    def post(self) -> ResponseReturnValue:
        """Send the mail if the address has an unverified account.

        204 also for other addresses; 400 if SEND_ACTIVATION_EMAIL is off, 429 after too many requests.
        """
        email = read_body(MailRequest).email
        count_mail_request(MailKind.ACTIVATION, email)
        check_account_exists(Purpose.ACTIVATION, email)
        if not services().settings.send_activation_email:
            raise ApiError(400, None)
        queue_mail(MailKind.ACTIVATION, email)
        return "", 204


def user_of_activation_link(uid: str, token: str) -> User:
    """Return the user of an activation link, who may be active by now. Raises ApiError(400)."""
    user = user_of_uid(uid)
    # Also the link of a user who is active by now is verified, so that only its owner learns that it was used.
    as_registered = replace(user, status=AccountStatus.UNVERIFIED) if user.is_active else user
    if not services().mail_tokens.verify(Purpose.ACTIVATION, as_registered, token, services().clock()):
        raise invalid_token()
    return user
