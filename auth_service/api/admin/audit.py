"""/auth/admin/audit/ and users/{id}/audit/: the audit trail of all users or of one, with who acted."""

from uuid import UUID

from flask import Response

from auth_service.api.admin.parameters import (
    WRONG_ID,
    WRONG_TIME,
    point_in_time,
    read_parameter,
    read_text,
    record_id,
)
from auth_service.api.admin.slices import requested_limit, slice_url
from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.audit import audit_page
from auth_service.api.models.administration.lists import AuditRecordResponse, SliceResponse
from auth_service.api.models.audit import AuditEventResponse
from auth_service.api.models.page import PageResponse
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import BAD_EVENT, NO_PAGE, NO_USER
from auth_service.api.openapi.query import AuditQuery, PageQuery
from auth_service.api.response_body import json_response
from auth_service.audit.store import AuditEntry, AuditFilter
from auth_service.audit.trail import RecordName
from auth_service.services import services

AUDIT_FILTERS = ("event", "user", "actor", "address", "since", "until")
"""The parameters that select records."""


class UserAudit(AdminView):
    """The audit trail of a user."""

    name = "Admin User Audit"
    allow = "GET, HEAD, OPTIONS"

    @described(query=PageQuery, returns={200: PageResponse[AuditEventResponse]}, errors=[NO_PAGE, NO_USER])
    def get(self, user_id: UUID) -> Response:
        """Return a page of events, the newest first. `actor` in `detail` is who acted, if not the user."""
        return audit_page(account_of(user_id).user.id, AuditEventResponse.model_validate)


class AuditSearch(AdminView):
    """The audit trail of all users."""

    name = "Admin Audit List"
    allow = "GET, HEAD, OPTIONS"

    @described(query=AuditQuery, returns={200: SliceResponse[AuditRecordResponse]}, errors=[BAD_EVENT])
    def get(self) -> Response:
        """Return the newest records; `?before=` an id continues. AUDIT_FILTERS select some. 400 for a wrong value."""
        entries, following = search_audit()
        emails = services().directory.emails({entry.user_id for entry in entries if entry.user_id})
        records = [AuditRecordResponse.of_entry(entry, emails) for entry in entries]
        return json_response(SliceResponse[AuditRecordResponse](next=following, results=records))


def search_audit() -> tuple[list[AuditEntry], str | None]:
    """Return the records that the request asks for, and the URL of those that follow. Raises ApiError(400)."""
    wanted, limit = _requested_filter(), requested_limit()
    found = list(
        services().audit.search(wanted, before=read_parameter("before", record_id, WRONG_ID), limit=limit + 1)
    )
    entries = found[:limit]
    following = slice_url("before", str(entries[-1].id), AUDIT_FILTERS) if len(found) > limit else None
    return entries, following


def _requested_filter() -> AuditFilter:
    return AuditFilter(
        event=read_parameter("event", RecordName, "This is not the name of an event.") or "",
        user_id=read_parameter("user", _user_id, "No user has this id or e-mail address."),
        actor=read_text("actor"),
        address=read_text("address"),
        since=read_parameter("since", point_in_time, WRONG_TIME),
        until=read_parameter("until", point_in_time, WRONG_TIME),
    )


def _user_id(text: str) -> UUID:
    """Return the id of a user by id or e-mail address. The id of a deleted user is accepted. Raises ValueError."""
    if "@" not in text:
        return UUID(text)
    user = services().users.find_by_email(text)
    if user is None:
        raise ValueError(text)
    return user.id
