"""Owns /auth/audit/: what happened to the caller's own account."""

from flask import Blueprint, Response, jsonify

from auth_service.api.authentication import current_caller
from auth_service.api.endpoint import Endpoint
from auth_service.api.pagination import asked_size, page_of
from auth_service.api.timestamps import rfc3339
from auth_service.services import services
from auth_service.storage.models import AuditRow
from chassis.json_body import JSON

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100

audit_endpoints = Blueprint("audit", __name__, url_prefix="/audit")


class Audit(Endpoint):
    """The trail of the caller's account."""

    name = "Audit List"
    allow = "GET, HEAD, OPTIONS"

    def get(self) -> Response:
        """200 a page, the newest event first."""
        trail, user_id = services().trail, current_caller().user.id

        def fetch(offset: int, limit: int) -> list[JSON]:
            return [_render(row) for row in trail.page(user_id, offset=offset, limit=limit)]

        return jsonify(page_of(trail.count(user_id), asked_size(PAGE_SIZE, MAX_PAGE_SIZE), fetch))


def _render(row: AuditRow) -> JSON:
    return {
        "id": row.id,
        "at": rfc3339(row.at),
        "event": row.event,
        "session": row.session,
        "address": row.address,
        "device": row.device,
        "detail": dict(row.detail),
    }


audit_endpoints.add_url_rule("/", view_func=Audit.as_view("audit"))
