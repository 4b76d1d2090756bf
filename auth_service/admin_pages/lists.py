"""The staff pages that list: users, the sessions of all users, and the audit trail."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from flask import Response, request

from auth_service.accounts.user import AccountStatus
from auth_service.admin_pages.guard import staff_page
from auth_service.admin_pages.listed import shown_records, shown_session
from auth_service.api.admin.audit import AUDIT_FILTERS, search_audit
from auth_service.api.admin.sessions import list_sessions
from auth_service.api.admin.users import list_users
from auth_service.api.authentication import Caller
from auth_service.audit.trail import RecordName
from auth_service.mail.templates import format_time
from auth_service.pages.form import MAX_VALUE, Form, submit
from auth_service.pages.response import done_notice, render
from auth_service.services import services

_USER_FILTERS = ("search", "role", "status")

Found = TypeVar("Found")


@staff_page
def show_users(caller: Caller) -> Response:
    """Return a page of users, with a form to search."""
    form, page = _filtered(list_users, _USER_FILTERS)
    users = (
        [(user, format_time(user.last_login_at) if user.last_login_at else "") for user in page.results]
        if page
        else []
    )
    return render(
        "staff/users.html",
        form,
        notice=done_notice("staff_users"),
        users=users,
        count=page.count if page else None,
        previous=_path(page.previous) if page else "",
        following=_path(page.next) if page else "",
        statuses=list(AccountStatus),
    )


@staff_page
def show_all_sessions(caller: Caller) -> Response:
    """Return the live sessions of all users, the newest log-in first."""
    form, found = _filtered(list_sessions, ("address",))
    sessions, following = found or ([], None)
    shown = [shown_session(owned.session, owned.user_id, owned.email) for owned in sessions]
    return render("staff/sessions.html", form, sessions=shown, following=_path(following))


@staff_page
def show_audit(caller: Caller) -> Response:
    """Return the newest audit records, with a form to select some."""
    form, found = _filtered(search_audit, AUDIT_FILTERS)
    entries, following = found or ([], None)
    names = sorted(name.value for name in RecordName)
    return render("staff/audit.html", form, records=shown_records(entries), following=_path(following), names=names)


def _filtered(read: Callable[[], Found], names: Collection[str]) -> tuple[Form, Found | None]:
    """Return the form with the filters of the request, and what `read` returns; None if a filter is wrong."""
    values = {name: request.args.get(name, "")[:MAX_VALUE] for name in names}
    found: list[Found] = []
    refused = submit(lambda: found.append(read()), names)
    if refused is not None:
        return replace(refused, values=values), None
    return Form(values), found[0]


def _path(url: str | None) -> str:
    """Return the path of a URL of this service, so that a link stays on the host that the browser uses."""
    return (url or "").removeprefix(services().settings.public_url or "")
