"""The staff pages of one user, and of the acts on the user."""

from uuid import UUID

from flask import Response

from auth_service.admin_pages.guard import dangerous_act, staff_page
from auth_service.admin_pages.listed import shown_records, shown_session
from auth_service.api.admin.invitations import UserInvitation
from auth_service.api.admin.sessions import UserSession, UserSessions
from auth_service.api.admin.users import AdminUser, UserActivation, UserDeactivation, UserRoles
from auth_service.api.admin.view import account_of
from auth_service.api.authentication import Caller
from auth_service.api.errors import ApiError
from auth_service.mail.templates import format_time
from auth_service.pages.form import Form, submit
from auth_service.pages.response import EMPTY_FORM, done_notice, redirect, render
from auth_service.services import services

RECENT_RECORDS = 10
"""Audit records on the page of a user."""


@staff_page
def show_user(caller: Caller, user_id: UUID) -> Response:
    """Return the page of a user. Raises ApiError(404)."""
    return _user_page(user_id, EMPTY_FORM, notice=done_notice("staff_user"))


@staff_page
@dangerous_act
def show_roles(caller: Caller, user_id: UUID) -> Response:
    """Return the form to change the roles."""
    user = account_of(user_id).user
    return _roles_page(user_id, Form({"roles": user.roles}))


@staff_page
@dangerous_act
def submit_roles(caller: Caller, user_id: UUID) -> Response:
    """Change the roles, which ends the sessions of the user."""
    form = submit(lambda: UserRoles().put(user_id), ("roles",))
    return _roles_page(user_id, form) if form is not None else _back(user_id, "roles")


@staff_page
@dangerous_act
def show_deactivation(caller: Caller, user_id: UUID) -> Response:
    """Return the form to deactivate the user."""
    return _act_page(user_id, "deactivate", EMPTY_FORM)


@staff_page
@dangerous_act
def submit_deactivation(caller: Caller, user_id: UUID) -> Response:
    """Deactivate the user."""
    form = submit(lambda: UserDeactivation().post(user_id), ())
    return _act_page(user_id, "deactivate", form) if form is not None else _back(user_id, "deactivated")


@staff_page
@dangerous_act
def show_deletion(caller: Caller, user_id: UUID) -> Response:
    """Return the form to delete the user."""
    return _act_page(user_id, "delete", EMPTY_FORM)


@staff_page
@dangerous_act
def submit_deletion(caller: Caller, user_id: UUID) -> Response:
    """Delete the user."""
    form = submit(lambda: AdminUser().delete(user_id), ())
    return _act_page(user_id, "delete", form) if form is not None else redirect("/auth/staff/users/?done=deleted")


@staff_page
def submit_activation(caller: Caller, user_id: UUID) -> Response:
    """Activate the user."""
    form = submit(lambda: UserActivation().post(user_id), ())
    return _user_page(user_id, form) if form is not None else _back(user_id, "activated")


@staff_page
def submit_invitation(caller: Caller, user_id: UUID) -> Response:
    """Send another invitation."""
    form = submit(lambda: UserInvitation().post(user_id), ())
    return _user_page(user_id, form) if form is not None else _back(user_id, "invited")


@staff_page
@dangerous_act
def end_sessions_of_user(caller: Caller, user_id: UUID) -> Response:
    """End every session of the user."""
    form = submit(lambda: UserSessions().delete(user_id), ())
    return _user_page(user_id, form) if form is not None else _back(user_id, "ended")


@staff_page
@dangerous_act
def end_session_of_user(caller: Caller, user_id: UUID, sid: str) -> Response:
    """End one session of the user. Nothing happens if it has ended meanwhile."""

    def end() -> None:
        try:
            UserSession().delete(user_id, sid)
        except ApiError as error:
            if error.status != 404:
                raise

    form = submit(end, ())
    return _user_page(user_id, form) if form is not None else _back(user_id, "ended")


def _back(user_id: UUID, done: str) -> Response:
    return redirect(f"/auth/staff/users/{user_id}/?done={done}")


def _user_page(user_id: UUID, form: Form, *, notice: str = "") -> Response:
    account = account_of(user_id)
    user = account.user
    sessions = services().sessions.live_sessions(user_id, services().clock())
    records = services().audit.page(user_id, offset=0, limit=RECENT_RECORDS)
    return render(
        "staff/user.html",
        form,
        notice=notice,
        user=user,
        created=format_time(account.created_at),
        last_login=format_time(account.last_login_at) if account.last_login_at else "",
        sessions=[shown_session(session, user_id, user.email) for session in sessions],
        records=shown_records(records),
    )


def _roles_page(user_id: UUID, form: Form) -> Response:
    return render("staff/roles.html", form, user=account_of(user_id).user)


def _act_page(user_id: UUID, act: str, form: Form) -> Response:
    return render("staff/act.html", form, user=account_of(user_id).user, act=act)
