"""The paths of the staff pages."""

from auth_service.admin_pages import confirm, lists, new_users, overview, users
from auth_service.pages.blueprint import Pages

_USER = "/staff/users/<uuid:user_id>"

STAFF_PAGES: Pages = {
    "/staff/": {"GET": overview.show_overview},
    "/staff/users/": {"GET": lists.show_users},
    "/staff/users/create/": {"GET": new_users.show_new_user, "POST": new_users.submit_new_user},
    "/staff/users/invite/": {"GET": new_users.show_new_invitation, "POST": new_users.submit_new_invitation},
    f"{_USER}/": {"GET": users.show_user},
    f"{_USER}/roles/": {"GET": users.show_roles, "POST": users.submit_roles},
    f"{_USER}/deactivate/": {"GET": users.show_deactivation, "POST": users.submit_deactivation},
    f"{_USER}/delete/": {"GET": users.show_deletion, "POST": users.submit_deletion},
    f"{_USER}/activate/": {"POST": users.submit_activation},
    f"{_USER}/invitation/": {"POST": users.submit_invitation},
    f"{_USER}/sessions/end/": {"POST": users.end_sessions_of_user},
    f"{_USER}/sessions/<string(length=32):sid>/end/": {"POST": users.end_session_of_user},
    "/staff/sessions/": {"GET": lists.show_all_sessions},
    "/staff/audit/": {"GET": lists.show_audit},
    "/staff/keys/": {"GET": overview.show_keys},
    "/staff/gateways/": {"GET": overview.show_gateways},
    "/staff/confirm/": {"GET": confirm.show_confirmation, "POST": confirm.submit_confirmation},
}
"""The views by path below /auth, then by method."""
