"""The mails that changes of an account cause. They are added to the outbox in the transaction of the change."""

from collections.abc import Mapping
from dataclasses import dataclass

from auth_service.events.account_events import (
    ActivationReason,
    EmailChanged,
    Event,
    PasswordChanged,
    PasswordReset,
    RegistrationRefused,
    UserActivated,
    UserInvited,
    UserRegistered,
)
from auth_service.mail.outbox import MailKind, NewMail

_BY_OWNER = (ActivationReason.EMAIL_VERIFIED, ActivationReason.INVITATION_ACCEPTED)
"""The activations by the owner of the account, who used the link in a mail."""


@dataclass(frozen=True, slots=True)
class Notices:
    """Which changes cause a mail. Activation and invitation mails do not depend on it."""

    confirmation: bool = False
    """Whether a mail confirms that an account can be used."""
    password_changed: bool = False
    """Whether a mail reports that the password was changed or reset."""
    email_changed: bool = False
    """Whether a mail to the former address reports that the address was changed."""

    def mail_for(self, event: Event) -> NewMail | None:
        """Return the mail that `event` causes; None if it causes none."""
        match event:
            case UserRegistered(email=email, must_verify=True):
                return _mail(MailKind.ACTIVATION, email, event)
            case RegistrationRefused(email=email, must_verify=True):
                # The same work as for a free address. A stranger may have registered it first and know the password,
                # so the owner of the address gets a link to choose one, which activates the account too.
                return _mail(MailKind.PASSWORD_RESET, email, event)
            case UserInvited(email=email):
                return _mail(MailKind.INVITATION, email, event)
            case UserRegistered(email=email) if self.confirmation:
                return _mail(MailKind.CONFIRMATION, email, event)
            case UserActivated(reason=reason, email=email) if self.confirmation and reason in _BY_OWNER:
                return _mail(MailKind.CONFIRMATION, email, event)
            case PasswordChanged(email=email) | PasswordReset(email=email) if self.password_changed:
                return _mail(MailKind.PASSWORD_CHANGED, email, event)
            case EmailChanged(old_email=old_email, email=email) if self.email_changed:
                return _mail(MailKind.EMAIL_CHANGED, old_email, event, {"new_email": email})
        return None


def _mail(kind: MailKind, email: str, event: Event, context: Mapping[str, str] | None = None) -> NewMail:
    return NewMail(kind, email, event.client.accept_language, context or {})
