"""The pages to log in and to register."""

from flask import Response, request

from auth_service.api.users.users import UserList
from auth_service.page_templates.next_path import next_query, safe_next
from auth_service.pages.context import page_caller
from auth_service.pages.form import Form, submit
from auth_service.pages.mail_links import sent_page
from auth_service.pages.response import EMPTY_FORM, done_notice, redirect, render
from auth_service.pages.session import OpenedSession, log_in
from auth_service.services import services

_LOG_IN_FIELDS = ("email", "password")
_REGISTER_FIELDS = ("email", "password", "re_password", "first_name", "last_name")


def show_log_in() -> Response:
    """Return the log-in form; for a user who is logged in, a page that leads on."""
    if page_caller() is not None:
        target = safe_next(request.args.get("next"))
        return render("logged_in.html", notice=done_notice("login"), next=target, next_query=next_query(target))
    return _log_in_page(EMPTY_FORM, request.args.get("next"))


def submit_log_in() -> Response:
    """Log in and lead to `next`, or show the form again."""
    opened: list[OpenedSession] = []
    form = submit(lambda: opened.append(log_in()), _LOG_IN_FIELDS)
    if form is not None:
        return _log_in_page(form, request.form.get("next"))
    return opened[0].redirect(_target())


def show_registration() -> Response:
    """Return the form to register."""
    return _registration_page(EMPTY_FORM, request.args.get("next"))


def submit_registration() -> Response:
    """Register and log in, or lead to the page about the activation mail, or show the form again."""
    form = submit(UserList().post, _REGISTER_FIELDS)
    if form is not None:
        return _registration_page(form, request.form.get("next"))
    if services().settings.send_activation_email:
        return redirect("/auth/register/sent/")
    opened: list[OpenedSession] = []
    if submit(lambda: opened.append(log_in()), _LOG_IN_FIELDS) is not None:
        return redirect(f"/auth/login/{next_query(safe_next(request.form.get('next')))}")
    return opened[0].redirect(_target())


def show_registered() -> Response:
    """Return the page after a registration whose address must be verified."""
    return sent_page("register", "/auth/activate/")


def _target() -> str:
    return safe_next(request.form.get("next")) or services().settings.login_redirect_url


def _log_in_page(form: Form, target: str | None) -> Response:
    path = safe_next(target)
    return render(
        "login.html",
        form,
        notice=done_notice("login"),
        next=path,
        next_query=next_query(path),
        must_verify=services().settings.send_activation_email,
    )


def _registration_page(form: Form, target: str | None) -> Response:
    path, settings = safe_next(target), services().settings
    return render(
        "register.html",
        form,
        next=path,
        next_query=next_query(path),
        min_length=settings.password_min_length,
        retype=settings.user_create_password_retype,
    )
