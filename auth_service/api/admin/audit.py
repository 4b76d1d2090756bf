"""/auth/admin/users/{id}/audit/: the audit trail of a user, with who acted."""

from uuid import UUID

from flask import Response

from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.audit import audit_page
from auth_service.api.models.audit import AuditEventResponse


class UserAudit(AdminView):
    """The audit trail of a user."""

    name = "Admin User Audit"
    allow = "GET, HEAD, OPTIONS"

    def get(self, user_id: UUID) -> Response:
        """Return a page of events, the newest first. `actor` in `detail` is who acted, if not the user."""
        return audit_page(account_of(user_id).user.id, AuditEventResponse.model_validate)
