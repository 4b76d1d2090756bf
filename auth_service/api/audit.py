"""/auth/audit/: the audit trail of the caller's account."""

from flask import Blueprint, Response

from auth_service.api.authentication import current_caller
from auth_service.api.models.audit import AuditEventResponse
from auth_service.api.pagination import read_page, requested_page_size
from auth_service.api.response_body import json_response
from auth_service.api.view import ApiView
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

    def get(self) -> Response:
        """Return a page of events, the newest first."""
        audit, user_id = services().audit, current_caller().user.id

        def fetch(offset: int, limit: int) -> list[AuditEventResponse]:
            entries = audit.page(user_id, offset=offset, limit=limit)
            return [AuditEventResponse.model_validate(entry) for entry in entries]

        return json_response(read_page(audit.count(user_id), requested_page_size(PAGE_SIZE, MAX_PAGE_SIZE), fetch))


audit_endpoints.add_url_rule("/", view_func=AuditList.as_view("audit"))
