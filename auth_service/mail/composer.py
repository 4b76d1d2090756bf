"""Compose the message of a queued mail: find the account, create the token, render, and address it."""

from collections.abc import Mapping

from auth_service.accounts.mail_tokens import MailTokens, Purpose, applies_to, encode_uid
from auth_service.accounts.store import UserStore
from auth_service.accounts.user import User
from auth_service.mail.design import MailDesign
from auth_service.mail.languages import choose_language
from auth_service.mail.outbox import MailKind, QueuedMail
from auth_service.mail.templates import format_time
from auth_service.mail.transports.interface import OutgoingMessage

_PURPOSES: Mapping[MailKind, Purpose] = {
    MailKind.ACTIVATION: Purpose.ACTIVATION,
    MailKind.PASSWORD_RESET: Purpose.PASSWORD_RESET,
    MailKind.EMAIL_RESET: Purpose.EMAIL_RESET,
    MailKind.INVITATION: Purpose.INVITATION,
}
"""The purpose of the token in the link of a mail. The other kinds are notices without a link."""


class Composer:
    """Composes messages when they are sent, so their links are valid for the whole lifetime of a token."""

    def __init__(self, design: MailDesign, users: UserStore, tokens: MailTokens) -> None:
        self._design = design
        self._users = users
        self._tokens = tokens

    def compose(self, mail: QueuedMail, now: float) -> OutgoingMessage | None:
        """Return the message of a mail; None if it has a link and the address has no account that may use it.

        A mail with a link goes to the address as the account has it, never to another spelling that was entered.
        Raises TemplateProblem, or ValueError if the address cannot get mails.
        """
        user = self._users.find_by_email(mail.email)
        purpose = _PURPOSES.get(mail.kind)
        values = {**mail.context, "time": format_time(mail.created_at)}
        recipient = mail.email
        if purpose:
            if user is None or not applies_to(purpose, user):
                return None
            recipient = user.email
            values |= self._link(mail.kind, purpose, user, now)
        language = choose_language(
            user.language if user else "",
            mail.accept_language,
            self._design.templates.languages,
            self._design.default_language,
        )
        return self._design.message(mail.kind.value, mail.id.hex, recipient, language, values, now)

    def _link(self, kind: MailKind, purpose: Purpose, user: User, now: float) -> Mapping[str, str]:
        token = self._tokens.issue(purpose, user, now)
        link = self._design.links.link(kind, encode_uid(user.id), token)
        return {"link": link, "minutes": str(self._tokens.lifetime // 60)}
