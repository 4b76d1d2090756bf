"""The settings of registration, verification and changes of an account. The names are djoser's where it has them."""

from pydantic import ValidationInfo, field_validator

from chassis.settings import Settings


class AccountSettings(Settings):
    """The settings of registration, verification and changes of an account."""

    send_activation_email: bool = False
    """Whether a new user must verify the e-mail address by a mail before the first log-in."""
    conceal_registered_emails: bool = False
    """Whether a registration with a taken address is answered as if it succeeded. Needs `send_activation_email`."""
    send_confirmation_email: bool = False
    """Whether a mail confirms that an account can be used."""
    password_changed_email_confirmation: bool = True
    """Whether a mail reports that the password was changed or reset (ASVS 5.0, 6.3.7)."""
    email_changed_email_confirmation: bool = True
    """Whether a mail to the former address reports that the address was changed (ASVS 5.0, 6.3.7)."""

    user_create_password_retype: bool = False
    """Whether a registration must have the password twice."""
    set_password_retype: bool = False
    """Whether a change of the password must have the new one twice."""
    password_reset_confirm_retype: bool = False
    """Whether a password reset must have the new password twice."""
    set_email_retype: bool = False
    """Whether a change of the address must have the new one twice. djoser: SET_USERNAME_RETYPE."""
    email_reset_confirm_retype: bool = False
    """Whether a change of the address by mail must have the new one twice. djoser: USERNAME_RESET_CONFIRM_RETYPE."""
    password_reset_show_email_not_found: bool = False
    """Whether a request for a mail reveals that the address has no account. Anybody can then find out who has one."""
    logout_on_password_change: bool = False
    """Whether a change of the password ends the session that sent it too. The others always end."""

    @field_validator("conceal_registered_emails")
    @classmethod
    def _check_activation(cls, is_on: bool, info: ValidationInfo) -> bool:
        if is_on and not info.data.get("send_activation_email"):
            raise ValueError("needs SEND_ACTIVATION_EMAIL=on, because otherwise a log-in reveals the result")
        return is_on
