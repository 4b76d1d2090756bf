"""The page to enter the password again, which a dangerous act needs."""

from flask import Response, request

from auth_service.admin_pages.guard import staff_page
from auth_service.api.authentication import Caller
from auth_service.api.reauthentication import Reauthentication
from auth_service.page_templates.next_path import safe_next
from auth_service.pages.form import Form, submit
from auth_service.pages.response import EMPTY_FORM, redirect, render
from auth_service.services import services

_HOME = "/auth/staff/"


@staff_page
def show_confirmation(caller: Caller) -> Response:
    """Return the form."""
    return _page(EMPTY_FORM, request.args.get("next"))


@staff_page
def submit_confirmation(caller: Caller) -> Response:
    """Record that the password was entered, and lead back."""
    form = submit(Reauthentication().post, ("current_password",))
    target = request.form.get("next")
    return _page(form, target) if form is not None else redirect(_staff_path(target))


def _page(form: Form, target: str | None) -> Response:
    minutes = max(1, services().settings.step_up_max_age // 60)
    return render("staff/confirm.html", form, next=_staff_path(target), minutes=minutes)


def _staff_path(target: str | None) -> str:
    """Return `target` if it is the path of a staff page, else that of the first one."""
    path = safe_next(target)
    return path if path and path.startswith(_HOME) else _HOME
