"""/auth/users/set_password/, reset_password/, reset_password_confirm/ and invitation_confirm/: choose a password."""

from typing import ClassVar

from flask.typing import ResponseReturnValue

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.user import User
from auth_service.api.authentication import current_caller
from auth_service.api.models.mail_links import MailRequest
from auth_service.api.models.passwords import (
    ResetPasswordConfirmRequest,
    RetypedResetPasswordConfirmRequest,
    RetypedSetPasswordRequest,
    SetPasswordRequest,
)
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import (
    BAD_LINK,
    BUSY,
    EMAIL_NOT_FOUND,
    THROTTLED,
    WEAK_PASSWORD,
    WRONG_PASSWORD,
)
from auth_service.api.request_body import read_body
from auth_service.api.users.current_password import read_with_current_password, wrong_current_password
from auth_service.api.users.mail_links import (
    check_account_exists,
    count_mail_request,
    invalid_token,
    queue_mail,
    trust_address,
    user_of_link,
)
from auth_service.api.users.new_password import check_new_password
from auth_service.api.view import ApiView
from auth_service.mail.outbox import MailKind
from auth_service.services import services


class SetPassword(ApiView):
    """The caller's password."""

    name = "User Set Password"
    allow = "POST, OPTIONS"

    @described(body=SetPasswordRequest, returns={204: None}, errors=[WRONG_PASSWORD, WEAK_PASSWORD, THROTTLED, BUSY])
    def post(self) -> ResponseReturnValue:
        """Change the password and end every other session of the caller.

        400 if the current password is wrong or the new one breaks a rule, 429 after too many changes.
        """
        caller, settings = current_caller(), services().settings
        model = RetypedSetPasswordRequest if settings.set_password_retype else SetPasswordRequest
        body = read_with_current_password(model)
        _check_rules(body.new_password, body.retyped, caller.user)
        count_mail_request(MailKind.PASSWORD_CHANGED, caller.user.email)
        password_hash = services().passwords.hash(body.new_password)
        keep = None if settings.logout_on_password_change else caller.sid
        if not services().users.change_password(caller.user, password_hash, services().clock(), keep=keep):
            raise wrong_current_password()  # the password or the user changed since it was verified
        return "", 204


class ResetPassword(ApiView):
    """A request for a mail with a link to choose a new password."""

    name = "User Reset Password"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=MailRequest, returns={204: None}, errors=[EMAIL_NOT_FOUND, THROTTLED])
    def post(self) -> ResponseReturnValue:
        """Send the mail if the address has an account. 204 also for other addresses, 429 after too many requests."""
        email = read_body(MailRequest).email
        count_mail_request(MailKind.PASSWORD_RESET, email)
        check_account_exists(Purpose.PASSWORD_RESET, email)
        queue_mail(MailKind.PASSWORD_RESET, email)
        return "", 204


class ResetPasswordConfirm(ApiView):
    """A new password by the link in a mail."""

    name = "User Reset Password Confirm"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=ResetPasswordConfirmRequest, returns={204: None}, errors=[BAD_LINK, WEAK_PASSWORD, BUSY])
    def post(self) -> ResponseReturnValue:
        """Change the password and end every session of the user. An unverified user becomes active.

        400 if the link is wrong, too old or used, or if the password breaks a rule.
        """
        user, password_hash = _read_password_for_link(Purpose.PASSWORD_RESET)
        if not services().users.reset_password(user, password_hash, services().clock()):
            raise invalid_token()  # another request used the link meanwhile
        trust_address(user)
        return "", 204


class InvitationConfirm(ApiView):
    """The first password of an invited user, by the link in a mail."""

    name = "User Invitation Confirm"
    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(body=ResetPasswordConfirmRequest, returns={204: None}, errors=[BAD_LINK, WEAK_PASSWORD, BUSY])
    def post(self) -> ResponseReturnValue:
        """Store the password and let the user log in: the link has verified the address.

        400 if the link is wrong, too old or used, or if the password breaks a rule.
        """
        user, password_hash = _read_password_for_link(Purpose.INVITATION)
        if not services().users.accept_invitation(user, password_hash, services().clock()):
            raise invalid_token()  # another request used the link meanwhile
        trust_address(user)
        return "", 204


def _read_password_for_link(purpose: Purpose) -> tuple[User, str]:
    """Return the user of the link in the body, and the hash of the new password. Raises ApiError or HashingBusy."""
    is_retyped = services().settings.password_reset_confirm_retype
    body = read_body(RetypedResetPasswordConfirmRequest if is_retyped else ResetPasswordConfirmRequest)
    user = user_of_link(purpose, body.uid, body.token)
    _check_rules(body.new_password, body.retyped, user)
    return user, services().passwords.hash(body.new_password)


def _check_rules(password: str, retyped: str | None, user: User) -> None:
    check_new_password(
        "new_password",
        password,
        retyped,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
    )
