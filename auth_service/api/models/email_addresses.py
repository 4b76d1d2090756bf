"""Bodies of the requests to choose another e-mail address."""

from auth_service.api.models.base import NewEmail
from auth_service.api.models.mail_links import LinkRequest
from auth_service.api.models.passwords import CurrentPasswordRequest


class SetEmailRequest(CurrentPasswordRequest):
    """The current password and another address."""

    new_email: NewEmail

    @property
    def retyped(self) -> str | None:
        """Return the second new address; None if the request need not have one."""
        return None


class RetypedSetEmailRequest(SetEmailRequest):
    """The current password, and another address twice."""

    re_new_email: NewEmail

    @property
    def retyped(self) -> str:
        """Return the second new address."""
        return self.re_new_email


class ResetEmailConfirmRequest(LinkRequest):
    """The link of a mail and another address."""

    new_email: NewEmail

    @property
    def retyped(self) -> str | None:
        """Return the second new address; None if the request need not have one."""
        return None


class RetypedResetEmailConfirmRequest(ResetEmailConfirmRequest):
    """The link of a mail, and another address twice."""

    re_new_email: NewEmail

    @property
    def retyped(self) -> str:
        """Return the second new address."""
        return self.re_new_email
