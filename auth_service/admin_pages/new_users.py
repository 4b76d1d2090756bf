"""The staff pages to create a user with a password, and to invite one by mail."""

from flask import Response

from auth_service.admin_pages.guard import dangerous_act, staff_page
from auth_service.api.admin.invitations import InvitationList
from auth_service.api.admin.users import AdminUserList
from auth_service.api.authentication import Caller
from auth_service.pages.context import page_templates
from auth_service.pages.form import Form, submit
from auth_service.pages.response import EMPTY_FORM, redirect, render
from auth_service.services import services

_INVITATION_FIELDS = ("email", "roles", "first_name", "last_name", "language")
_USER_FIELDS = ("email", "password", "roles", "first_name", "last_name", "language")


@staff_page
@dangerous_act
def show_new_user(caller: Caller) -> Response:
    """Return the form to create a user."""
    return _create_page(EMPTY_FORM)


@staff_page
@dangerous_act
def submit_new_user(caller: Caller) -> Response:
    """Create the user."""
    form = submit(AdminUserList().post, _USER_FIELDS)
    return _create_page(form) if form is not None else redirect("/auth/staff/users/?done=created")


@staff_page
@dangerous_act
def show_new_invitation(caller: Caller) -> Response:
    """Return the form to invite a user."""
    return _invite_page(EMPTY_FORM)


@staff_page
@dangerous_act
def submit_new_invitation(caller: Caller) -> Response:
    """Create the user and send the invitation."""
    form = submit(InvitationList().post, _INVITATION_FIELDS)
    return _invite_page(form) if form is not None else redirect("/auth/staff/users/?done=invited")


def _create_page(form: Form) -> Response:
    return render(
        "staff/create.html",
        form,
        languages=page_templates().language_names,
        min_length=services().settings.password_min_length,
    )


def _invite_page(form: Form) -> Response:
    return render("staff/invite.html", form, languages=page_templates().language_names)
