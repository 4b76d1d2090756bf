"""/auth/users/set_email/, reset_email/ and reset_email_confirm/: choose another e-mail address."""

from typing import ClassVar

from flask.typing import ResponseReturnValue

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import User
from auth_service.api.authentication import current_caller
from auth_service.api.client_of_request import client_of_request
from auth_service.api.errors import invalid_fields
from auth_service.api.models.email_addresses import (
    ResetEmailConfirmRequest,
    RetypedResetEmailConfirmRequest,
    RetypedSetEmailRequest,
    SetEmailRequest,
)
from auth_service.api.models.mail_links import MailRequest
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import (
    BAD_LINK,
    BUSY,
    EMAIL_NOT_FOUND,
    NEW_EMAIL_TAKEN,
    THROTTLED,
    WRONG_PASSWORD,
)
from auth_service.api.request_body import read_body
from auth_service.api.users.current_password import read_with_current_password, wrong_current_password
from auth_service.api.users.mail_links import (
    check_account_exists,
    count_mail_request,
    invalid_token,
    queue_mail,
    user_of_link,
)
from auth_service.api.view import ApiView
from auth_service.mail.outbox import MailKind
from auth_service.services import services


class SetEmail(ApiView):
    """The caller's e-mail address."""

    name = "User Set Email"
    allow = "POST, OPTIONS"

    @described(body=SetEmailRequest, returns={204: None}, errors=[WRONG_PASSWORD, NEW_EMAIL_TAKEN, THROTTLED, BUSY])
    def post(self) -> ResponseReturnValue:
        """Change the address and end every other session of the caller.

        400 if the current password is wrong or another user has the address, 429 after too many requests.
        """
        caller, is_retyped = current_caller(), services().settings.set_email_retype
        body = read_with_current_password(RetypedSetEmailRequest if is_retyped else SetEmailRequest)
        _check_retyped(body.new_email, body.retyped)
        if not _change_email(caller.user, body.new_email, keep=caller.sid):
            raise wrong_current_password()  # the password or the user changed since it was verified
        return "", 204


class ResetEmail(ApiView):
    """A request for a mail with a link to choose another e-mail address."""

    name = "User Reset Email"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=MailRequest, returns={204: None}, errors=[EMAIL_NOT_FOUND, THROTTLED])
    def post(self) -> ResponseReturnValue:
        """Send the mail if the address has an account. 204 also for other addresses, 429 after too many requests."""
        email = read_body(MailRequest).email
        count_mail_request(MailKind.EMAIL_RESET, email)
        check_account_exists(Purpose.EMAIL_RESET, email)
        queue_mail(MailKind.EMAIL_RESET, email)
        return "", 204


class ResetEmailConfirm(ApiView):
    """Another e-mail address by the link in a mail to the present one."""

    name = "User Reset Email Confirm"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=ResetEmailConfirmRequest, returns={204: None}, errors=[BAD_LINK, NEW_EMAIL_TAKEN, THROTTLED])
    def post(self) -> ResponseReturnValue:
        """Change the address and end every session of the user.

        400 if the link is wrong, too old or used, or if another user has the address.
        """
        is_retyped = services().settings.email_reset_confirm_retype
        body = read_body(RetypedResetEmailConfirmRequest if is_retyped else ResetEmailConfirmRequest)
        user = user_of_link(Purpose.EMAIL_RESET, body.uid, body.token)
        _check_retyped(body.new_email, body.retyped)
        if not _change_email(user, body.new_email, keep=None):
            raise invalid_token()  # another request used the link meanwhile
        return "", 204


def _check_retyped(email: str, retyped: str | None) -> None:
    if retyped not in (None, email):
        raise invalid_fields({"non_field_errors": ["The two email fields didn't match."]})


def _change_email(user: User, email: str, *, keep: str | None) -> bool:
    # Counted before the look-up, as a registration is: the response shows whether the address has an account.
    throttle = services().throttle
    throttle.admit_registration(throttle.attempt(email, client_of_request().address))
    try:
        return services().users.change_email(user, email, services().clock(), keep=keep)
    except EmailTaken as error:
        raise invalid_fields({"new_email": ["user with this email already exists."]}) from error
