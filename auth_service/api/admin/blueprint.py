"""The blueprint of /auth/admin/ and its paths."""

from flask import Blueprint

from auth_service.api.admin.audit import AuditSearch, UserAudit
from auth_service.api.admin.figures import FigureList, KeyList
from auth_service.api.admin.gateways import GatewayList
from auth_service.api.admin.invitations import InvitationList, UserInvitation
from auth_service.api.admin.sessions import AllSessions, UserSession, UserSessions
from auth_service.api.admin.users import AdminUser, AdminUserList, UserActivation, UserDeactivation, UserRoles
from auth_service.api.admin.webhooks import (
    WebhookDeliveryList,
    WebhookEnabling,
    WebhookEndpointList,
    WebhookMessage,
    WebhookMessageReplay,
    WebhookReplay,
    WebhookTest,
)
from auth_service.api.view import ApiView

admin_endpoints = Blueprint("admin", __name__, url_prefix="/admin")

_VIEWS: dict[str, type[ApiView]] = {
    "/users/": AdminUserList,
    "/users/<uuid:user_id>/": AdminUser,
    "/users/<uuid:user_id>/roles/": UserRoles,
    "/users/<uuid:user_id>/deactivate/": UserDeactivation,
    "/users/<uuid:user_id>/activate/": UserActivation,
    "/users/<uuid:user_id>/invitation/": UserInvitation,
    "/users/<uuid:user_id>/sessions/": UserSessions,
    "/users/<uuid:user_id>/sessions/<string(length=32):sid>/": UserSession,
    "/users/<uuid:user_id>/audit/": UserAudit,
    "/invitations/": InvitationList,
    "/sessions/": AllSessions,
    "/audit/": AuditSearch,
    "/figures/": FigureList,
    "/keys/": KeyList,
    "/gateways/": GatewayList,
    "/webhooks/": WebhookEndpointList,
    "/webhooks/deliveries/": WebhookDeliveryList,
    "/webhooks/messages/<string:message_id>/": WebhookMessage,
    "/webhooks/messages/<string:message_id>/replay/": WebhookMessageReplay,
    "/webhooks/endpoints/<string:endpoint>/replay/": WebhookReplay,
    "/webhooks/endpoints/<string:endpoint>/enable/": WebhookEnabling,
    "/webhooks/endpoints/<string:endpoint>/test/": WebhookTest,
}

for path, view in _VIEWS.items():
    admin_endpoints.add_url_rule(path, view_func=view.as_view(view.__name__))
