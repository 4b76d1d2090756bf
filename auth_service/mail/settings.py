"""The settings of mails: the server, the sender, the links and the texts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from auth_service.mail.links import Links, check_base_url, check_link_pattern
from auth_service.mail.mailbox import Mailbox, parse_mailbox
from auth_service.mail.outbox import MailKind
from auth_service.mail.texts import FALLBACK, TemplateProblem, load_texts
from auth_service.mail.transports.smtp import Security, SmtpServer
from chassis.settings import Settings

DEFAULT_URL = "http://localhost:8000"
"""Where `make run` serves the gateway by default."""
TLS_PORT = 465
"""The port on which servers expect TLS from the start (RFC 8314)."""
DEFAULT_PORTS: dict[Security, int] = {"starttls": 587, "tls": TLS_PORT, "none": 25}
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def _usable_mailbox(text: str | None) -> str | None:
    if text is not None:
        parse_mailbox(text)
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be on one line, without control characters")
    return text


def _usable_templates(text: str) -> str:
    # Imported here, because the import of Jinja takes a tenth of a second, and commands read the settings too.
    from auth_service.mail.templates import Templates

    if not Path(text).is_dir():
        raise ValueError("must be an existing folder")
    try:
        Templates(Path(text)).check()
    except TemplateProblem as problem:
        raise ValueError(f"has a template that cannot be used: {problem}") from problem
    return text


def _existing_file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError("must be an existing file")
    return text


BaseUrl = Annotated[str, AfterValidator(check_base_url)]
LinkPattern = Annotated[str, AfterValidator(check_link_pattern)]


class MailSettings(Settings):
    """The settings of mails. Lifetimes and time-outs are in seconds.

    A validator sees the fields before its own. So the fields that others depend on come first.
    """

    data_dir: str = ".data"
    """The folder that has the folder `mail`, in which mails are kept without an SMTP server."""

    mail_without_smtp: Literal["folder", "refuse"] | None = None
    """What to do without `smtp_host`: keep mails as files, or refuse to start. None: refuse in production."""
    smtp_host: Annotated[str | None, Field(validate_default=True)] = None
    """The SMTP server; None keeps mails as files."""
    smtp_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    smtp_user: str | None = None
    smtp_password: Annotated[SecretStr | None, Field(validate_default=True)] = None
    smtp_security: Security | None = None
    """None is `tls` on port 465, else `starttls`."""
    smtp_ca_file: Annotated[str | None, AfterValidator(_existing_file)] = None
    """PEM of the certificate authorities that are trusted instead of the system's."""
    smtp_timeout: Annotated[float, Field(ge=1, le=60)] = 30.0
    """Seconds for the connection and for each reply."""

    mail_from: Annotated[str | None, AfterValidator(_usable_mailbox), Field(validate_default=True)] = None
    """The sender: an address, or a name and an address. Required with `smtp_host`."""
    mail_templates: Annotated[str | None, AfterValidator(_usable_templates)] = None
    """A folder whose templates and texts replace those of the service."""
    mail_language: str = FALLBACK
    """The language of mails to accounts and clients that state none."""

    mail_token_lifetime: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    """Seconds for which the link in a mail is valid after the mail was sent."""

    site_name: Annotated[str | None, Field(min_length=1, max_length=100), AfterValidator(_one_line)] = None
    """The name of the site in mails; None is the host name of the links."""
    app_url: BaseUrl | None = None
    """The URL with which links in mails begin; None is `public_url`."""
    public_url: Annotated[BaseUrl | None, Field(validate_default=True)] = None
    """The URL of the gateway for clients."""
    activation_url: LinkPattern = "activate/{uid}/{token}"
    password_reset_confirm_url: LinkPattern = "password/reset/confirm/{uid}/{token}"  # noqa: S105 - a path
    email_reset_confirm_url: LinkPattern = "email/reset/confirm/{uid}/{token}"
    invitation_url: LinkPattern = "invitation/{uid}/{token}"

    @field_validator("smtp_host")
    @classmethod
    def _check_host(cls, host: str | None, info: ValidationInfo) -> str | None:
        default = "refuse" if info.data.get("app_env") == "production" else "folder"
        if host is None and (info.data.get("mail_without_smtp") or default) == "refuse":
            raise ValueError(
                "is missing: set it with MAIL_FROM and PUBLIC_URL, or set MAIL_WITHOUT_SMTP=folder to keep mails as "
                "files in DATA_DIR/mail"
            )
        name, _, port = (host or "").rpartition(":")
        if port.isdigit() and (":" not in name or name.endswith("]")):  # ::1 is an address without a port
            raise ValueError(f"must be a host name or an address without a port: set SMTP_PORT={port}")
        return host

    @field_validator("smtp_password")
    @classmethod
    def _check_password(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        user = info.data.get("smtp_user")
        if user and password is None:
            raise ValueError("is missing: SMTP_USER is set")
        if password and not user:
            raise ValueError("needs SMTP_USER, which is missing")
        return password

    @field_validator("smtp_security")
    @classmethod
    def _check_security(cls, security: Security | None, info: ValidationInfo) -> Security | None:
        if security == "none" and info.data.get("smtp_user") and info.data.get("smtp_host") not in _LOCAL_HOSTS:
            raise ValueError("must be starttls or tls: without TLS the password would be sent unencrypted")
        return security

    @field_validator("mail_from")
    @classmethod
    def _check_sender(cls, sender: str | None, info: ValidationInfo) -> str | None:
        if sender is None and info.data.get("smtp_host"):
            raise ValueError("is missing: SMTP_HOST needs a sender")
        return sender

    @field_validator("mail_language")
    @classmethod
    def _check_language(cls, language: str, info: ValidationInfo) -> str:
        folder = info.data.get("mail_templates")
        available = load_texts(Path(folder) if folder else None).languages
        if language not in available:
            raise ValueError(f"must be one of: {', '.join(available)}")
        return language

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        is_needed = info.data.get("app_env") == "production" and info.data.get("smtp_host")
        if url is None and is_needed and not info.data.get("app_url"):
            raise ValueError("is missing: links in mails begin with it, or with APP_URL")
        return url

    @property
    def smtp_server(self) -> SmtpServer | None:
        """Return the SMTP server; None if mails are kept as files."""
        if self.smtp_host is None:
            return None
        return SmtpServer(
            host=self.smtp_host,
            port=self.smtp_port or DEFAULT_PORTS[self._security],
            security=self._security,
            hello_name=self.mail_sender.domain,
            user=self.smtp_user or "",
            password=self.smtp_password.get_secret_value() if self.smtp_password else "",
            ca_file=self.smtp_ca_file,
            timeout=self.smtp_timeout,
        )

    @property
    def mail_folder(self) -> Path:
        """Return the folder in which mails are kept without an SMTP server."""
        return Path(self.data_dir) / "mail"

    @property
    def mail_sender(self) -> Mailbox:
        """Return the sender of mails."""
        return parse_mailbox(self.mail_from or "no-reply@localhost")

    @property
    def templates_folder(self) -> Path | None:
        """Return the folder of templates that replace those of the service, if there is one."""
        return Path(self.mail_templates) if self.mail_templates else None

    @property
    def links(self) -> Links:
        """Return the links in mails."""
        patterns = {
            MailKind.ACTIVATION: self.activation_url,
            MailKind.PASSWORD_RESET: self.password_reset_confirm_url,
            MailKind.EMAIL_RESET: self.email_reset_confirm_url,
            MailKind.INVITATION: self.invitation_url,
        }
        return Links(self.app_url or self.public_url or DEFAULT_URL, patterns)

    @property
    def _security(self) -> Security:
        return self.smtp_security or ("tls" if self.smtp_port == TLS_PORT else "starttls")
