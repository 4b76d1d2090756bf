"""The pages that links in mails open, and those that ask for such a mail.

A GET changes nothing, because mail scanners open links before their readers do. Only the POST of the page's button or
form uses the token. The uid and the token are in the query, which no log of the gateway or of this service contains.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, request
from flask.typing import ResponseReturnValue

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.user import User
from auth_service.api.errors import ApiError
from auth_service.api.users.activation import Activation, ResendActivation, user_of_activation_link
from auth_service.api.users.email_addresses import ResetEmail, ResetEmailConfirm
from auth_service.api.users.mail_links import user_of_link
from auth_service.api.users.passwords import InvitationConfirm, ResetPassword, ResetPasswordConfirm
from auth_service.pages.form import Form, submit
from auth_service.pages.response import EMPTY_FORM, redirect, render
from auth_service.services import services

USED_ACTIVATION_LINK = 403
"""The API's status for an activation link that was used before. The account is active, so the user may log in."""


@dataclass(frozen=True, slots=True)
class MailPage:
    """The pages of one kind of mail: one asks for the mail, `template` is the page that its link opens."""

    kind: str
    """Names the mail in the texts of the pages and in the endpoints of the blueprint."""
    path: str
    """The page that asks for the mail; the link opens `<path>confirm/`."""
    section: str
    """The texts of the page that asks for the mail."""
    ask: Callable[[], ResponseReturnValue]
    """The view of the API that adds the mail to the outbox."""
    confirm: Callable[[], ResponseReturnValue]
    """The view of the API that uses the link."""
    template: str
    user_of_link: Callable[[str, str], User]
    """Returns the user for the uid and the token of a link. Raises ApiError if the link cannot be used."""
    done: str
    """The notice on the log-in page after the link was used."""
    fields: tuple[str, ...] = ()
    """The fields of the form that the link opens."""


PAGES = (
    MailPage(
        "activation",
        "/auth/activate/",
        "resend",
        ResendActivation().post,
        Activation().post,
        "activate.html",
        user_of_activation_link,
        "activated",
    ),
    MailPage(
        "password",
        "/auth/password/reset/",
        "forgot",
        ResetPassword().post,
        ResetPasswordConfirm().post,
        "reset_password.html",
        lambda uid, token: user_of_link(Purpose.PASSWORD_RESET, uid, token),
        "password",
        ("new_password", "re_new_password"),
    ),
    MailPage(
        "email",
        "/auth/email/reset/",
        "forgot_email",
        ResetEmail().post,
        ResetEmailConfirm().post,
        "reset_email.html",
        lambda uid, token: user_of_link(Purpose.EMAIL_RESET, uid, token),
        "email",
        ("new_email", "re_new_email"),
    ),
    MailPage(
        "invitation",
        "/auth/invitation/",
        "invitation_again",
        ResetPassword().post,  # an invited user gets another link by a password reset, without staff
        InvitationConfirm().post,
        "invitation.html",
        lambda uid, token: user_of_link(Purpose.INVITATION, uid, token),
        "invitation",
        ("new_password", "re_new_password"),
    ),
)


def show_request(page: MailPage) -> Response:
    """Return the form that asks for the mail."""
    return _request_page(page, EMPTY_FORM)


def submit_request(page: MailPage) -> Response:
    """Ask for the mail. The page that follows is the same for known and unknown addresses."""
    form = submit(page.ask, ("email",))
    return _request_page(page, form) if form is not None else redirect(f"{page.path}sent/")


def show_sent(page: MailPage) -> Response:
    """Return the page after a request for a mail."""
    return sent_page(page.kind, page.path)


def sent_page(kind: str, again: str) -> Response:
    """Return the page that tells the user to look for a mail. `again` is the path of the form."""
    return render("check_mail.html", kind=kind, again=again, minutes=_minutes())


def show_link(page: MailPage) -> Response:
    """Return the page that a link opens. The link is not used by that."""
    uid, token = request.args.get("uid", ""), request.args.get("token", "")
    try:
        page.user_of_link(uid, token)
    except ApiError:
        return _dead_link_page(page)
    return _link_page(page, EMPTY_FORM, uid, token)


def submit_link(page: MailPage) -> Response:
    """Use the link."""
    form = submit(page.confirm, page.fields)
    if form is None or form.status == USED_ACTIVATION_LINK:
        return redirect(f"/auth/login/?done={page.done}")
    if form.has_dead_link:
        return _dead_link_page(page)
    return _link_page(page, form, request.form.get("uid", ""), request.form.get("token", ""))


def _request_page(page: MailPage, form: Form) -> Response:
    return render("ask_for_mail.html", form, section=page.section)


def _link_page(page: MailPage, form: Form, uid: str, token: str) -> Response:
    settings = services().settings
    return render(
        page.template,
        form,
        uid=uid,
        token=token,
        path=f"{page.path}confirm/",
        min_length=settings.password_min_length,
        retype_password=settings.password_reset_confirm_retype,
        retype_email=settings.email_reset_confirm_retype,
    )


def _dead_link_page(page: MailPage) -> Response:
    return render("dead_link.html", status=400, kind=page.kind, again=page.path, minutes=_minutes())


def _minutes() -> int:
    return services().settings.mail_token_lifetime // 60
