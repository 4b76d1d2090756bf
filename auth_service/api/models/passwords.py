"""Bodies of the requests to change or reset a password, and of those that need the caller's password."""

from auth_service.api.models.base import Password, RequestBody
from auth_service.api.models.mail_links import LinkRequest


class CurrentPasswordRequest(RequestBody):
    """The caller's password."""

    current_password: Password


class SetPasswordRequest(CurrentPasswordRequest):
    """The current password and a new one."""

    new_password: Password

    @property
    def retyped(self) -> str | None:
        """Return the second new password; None if the request need not have one."""
        return None


class RetypedSetPasswordRequest(SetPasswordRequest):
    """The current password, and a new one twice."""

    re_new_password: Password

    @property
    def retyped(self) -> str:
        """Return the second new password."""
        return self.re_new_password


class ResetPasswordConfirmRequest(LinkRequest):
    """The link of a mail and a new password."""

    new_password: Password

    @property
    def retyped(self) -> str | None:
        """Return the second new password; None if the request need not have one."""
        return None


class RetypedResetPasswordConfirmRequest(ResetPasswordConfirmRequest):
    """The link of a mail, and a new password twice."""

    re_new_password: Password

    @property
    def retyped(self) -> str:
        """Return the second new password."""
        return self.re_new_password
