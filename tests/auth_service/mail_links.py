"""The links in mails, minted as the job that sends mails does."""

from dataclasses import dataclass, replace

from auth_service.accounts.mail_tokens import MailTokens, Purpose, encode_uid
from auth_service.accounts.user import AccountStatus, User


@dataclass(frozen=True)
class Link:
    """The variable parts of a link."""

    uid: str
    token: str


def mint(tokens: MailTokens, purpose: Purpose, user: User, now: float) -> Link:
    """Return the link of a mail to `user`. That of an activation is as it was before the user became active."""
    if purpose is Purpose.ACTIVATION:
        user = replace(user, status=AccountStatus.UNVERIFIED)
    return Link(encode_uid(user.id), tokens.issue(purpose, user, now))
