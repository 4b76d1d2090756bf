"""The pages of the account: overview, name and language, e-mail address, password, log out and delete."""

from flask import Response, request

from auth_service.api.authentication import Caller
from auth_service.api.errors import invalid_fields
from auth_service.api.models.users import ProfileRequest
from auth_service.api.request_body import read_body
from auth_service.api.sessions import LogOut
from auth_service.api.users.email_addresses import SetEmail
from auth_service.api.users.passwords import SetPassword
from auth_service.api.users.users import Me
from auth_service.page_templates.next_path import safe_next
from auth_service.pages.context import page_templates
from auth_service.pages.form import Form, submit
from auth_service.pages.response import EMPTY_FORM, done_notice, redirect, render
from auth_service.pages.session import account_page
from auth_service.services import services
from contract.page_session import ENDED

_PROFILE_FIELDS = ("first_name", "last_name", "language")
_EMAIL_FIELDS = ("new_email", "re_new_email", "current_password")
_PASSWORD_FIELDS = ("current_password", "new_password", "re_new_password")
_OVERVIEW = "/auth/account/"


@account_page
def show_account(caller: Caller) -> Response:
    """Return the overview of the account."""
    sessions = services().sessions.live_sessions(caller.user.id, services().clock())
    name = page_templates().language_names.get(caller.user.language, "")
    return render("account.html", notice=done_notice("account"), session_count=len(sessions), language_name=name)


@account_page
def show_profile(caller: Caller) -> Response:
    """Return the form for names and language."""
    user = caller.user
    return _profile_page(
        Form({"first_name": user.first_name, "last_name": user.last_name, "language": user.language})
    )


@account_page
def submit_profile(caller: Caller) -> Response:
    """Change names and language."""
    form = submit(lambda: _change_profile(caller), _PROFILE_FIELDS)
    return _profile_page(form) if form is not None else redirect(f"{_OVERVIEW}?done=profile")


@account_page
def show_email(caller: Caller) -> Response:
    """Return the form to change the e-mail address."""
    return _email_page(EMPTY_FORM)


@account_page
def submit_email(caller: Caller) -> Response:
    """Change the e-mail address, which ends every other session."""
    form = submit(SetEmail().post, _EMAIL_FIELDS)
    return _email_page(form) if form is not None else redirect(f"{_OVERVIEW}?done=email")


@account_page
def show_password(caller: Caller) -> Response:
    """Return the form to change the password."""
    return _password_page(EMPTY_FORM)


@account_page
def submit_password(caller: Caller) -> Response:
    """Change the password, which ends every other session."""
    form = submit(SetPassword().post, _PASSWORD_FIELDS)
    if form is not None:
        return _password_page(form)
    if services().settings.logout_on_password_change:
        return redirect("/auth/login/?done=password", change=ENDED)
    return redirect(f"{_OVERVIEW}?done=password")


@account_page
def show_log_out(caller: Caller) -> Response:
    """Return the form to log out."""
    return render("log_out.html")


@account_page
def submit_log_out(caller: Caller) -> Response:
    """Log out and lead to `next`, or to the log-in page."""
    LogOut().post()
    return redirect(safe_next(request.form.get("next")) or "/auth/login/?done=logged_out", change=ENDED)


@account_page
def show_delete(caller: Caller) -> Response:
    """Return the form to delete the account."""
    return render("delete.html")


@account_page
def submit_delete(caller: Caller) -> Response:
    """Delete the account."""
    form = submit(Me().delete, ("current_password",))
    return render("delete.html", form) if form is not None else redirect("/auth/login/?done=deleted", change=ENDED)


def _change_profile(caller: Caller) -> None:
    body = read_body(ProfileRequest)
    if body.language and body.language not in page_templates().languages:
        raise invalid_fields({"language": ["This value does not match the required pattern."]})
    services().users.rename(caller.user.id, body.given_names(), services().clock())


def _profile_page(form: Form) -> Response:
    return render("profile.html", form, languages=page_templates().language_names)


def _email_page(form: Form) -> Response:
    return render("email.html", form, retype=services().settings.set_email_retype)


def _password_page(form: Form) -> Response:
    settings = services().settings
    return render(
        "password.html",
        form,
        min_length=settings.password_min_length,
        retype=settings.set_password_retype,
        ends_all=settings.logout_on_password_change,
    )
