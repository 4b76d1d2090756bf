"""Request a mail with a link, and find the user of a link.

A request for a mail does not look the account up: it adds a row to the outbox, and the sending job finds the account.
So known and unknown addresses take the same time.
"""

from auth_service.accounts.mail_tokens import Purpose, applies_to, decode_uid
from auth_service.accounts.user import User
from auth_service.api.client_of_request import client_of_request
from auth_service.api.errors import ApiError, email_not_found, invalid_fields
from auth_service.mail.outbox import MailKind, NewMail
from auth_service.services import services


def count_mail_request(kind: MailKind, email: str) -> None:
    """Count a request for a mail to `email`. Raises Throttled after too many."""
    throttle = services().throttle
    throttle.admit_mail_request(kind.value, throttle.attempt(email, client_of_request().address))


def check_account_exists(purpose: Purpose, email: str) -> None:
    """Raise ApiError(400) if the settings reveal unknown addresses and no account may use a link for `purpose`."""
    if not services().settings.password_reset_show_email_not_found:
        return
    user = services().users.find_by_email(email)
    if user is None or not applies_to(purpose, user):
        raise email_not_found()


def queue_mail(kind: MailKind, email: str) -> None:
    """Add a mail to the outbox. It is sent if the address has an account that may use its link."""
    mail = NewMail(kind, email, client_of_request().accept_language)
    services().outbox.add(mail, services().clock())


def user_of_uid(uid: str) -> User:
    """Return the user with the `uid` of a link. Raises ApiError(400)."""
    user_id = decode_uid(uid)
    user = services().users.find(user_id) if user_id else None
    if user is None:
        raise invalid_fields({"uid": ["Invalid user id or user doesn't exist."]})
    return user


def user_of_link(purpose: Purpose, uid: str, token: str) -> User:
    """Return the user of a link for `purpose`. Raises ApiError(400) if there is none or the token is not valid."""
    user = user_of_uid(uid)
    if not services().mail_tokens.verify(purpose, user, token, services().clock()):
        raise invalid_token()
    return user


def trust_address(user: User) -> None:
    """Let the user log in from the address of this request, although others guess the password."""
    throttle = services().throttle
    throttle.trust_address(throttle.attempt(user.email, client_of_request().address))


def invalid_token() -> ApiError:
    """Return the 400 for the token of a link that is wrong, too old or used."""
    return invalid_fields({"token": ["Invalid token for given user."]})
