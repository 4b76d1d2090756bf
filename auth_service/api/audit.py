"""/auth/audit/: the audit trail of the caller's account."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from flask import Blueprint, Response

from auth_service.accounts.user import STAFF
from auth_service.api.authentication import current_caller
from auth_service.api.models.audit import AuditEventResponse
from auth_service.api.models.page import PageResponse
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import NO_PAGE
from auth_service.api.openapi.query import PageQuery
from auth_service.api.pagination import read_page, requested_page_size
from auth_service.api.response_body import json_response
from auth_service.api.view import ApiView
from auth_service.audit.store import AuditEntry
from auth_service.events.client import OPERATOR_ACTOR
from auth_service.services import services

PAGE_SIZE = 20
"""Records on a page without `?page_size=`."""
MAX_PAGE_SIZE = 100
"""Records on a page at most."""

audit_endpoints = Blueprint("audit", __name__, url_prefix="/audit")


class AuditList(ApiView):
    """The audit trail of the caller's account."""

    name = "Audit List"
    allow = "GET, HEAD, OPTIONS"

    @described(query=PageQuery, returns={200: PageResponse[AuditEventResponse]}, errors=[NO_PAGE])
    def get(self) -> Response:
        """Return a page of events, the newest first."""
        return audit_page(current_caller().user.id, _for_owner)


def audit_page(user_id: UUID, response_for: Callable[[AuditEntry], AuditEventResponse]) -> Response:
    """Return the page of an account's audit trail that the request asks for, the newest event first."""
    audit = services().audit

    def fetch(offset: int, limit: int) -> list[AuditEventResponse]:
        return [response_for(entry) for entry in audit.page(user_id, offset=offset, limit=limit)]

    return json_response(read_page(audit.count(user_id), requested_page_size(PAGE_SIZE, MAX_PAGE_SIZE), fetch))


def _for_owner(entry: AuditEntry) -> AuditEventResponse:
    """Return an event as the owner of the account sees it: not which staff user acted, nor from where."""
    actor = entry.detail.get("actor")
    if actor in (None, OPERATOR_ACTOR, str(entry.user_id)):
        return AuditEventResponse.model_validate(entry)
    return AuditEventResponse.model_validate(
        replace(entry, address="", device="", detail={**entry.detail, "actor": STAFF})
    )


audit_endpoints.add_url_rule("/", view_func=AuditList.as_view("audit"))
