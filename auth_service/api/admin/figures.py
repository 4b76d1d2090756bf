"""/auth/admin/figures/ and keys/: the figures of the service, and the keys of access tokens."""

from flask import Response

from auth_service.api.admin.view import AdminView
from auth_service.api.models.administration.lists import FiguresResponse, KeyListResponse, KeyResponse
from auth_service.api.openapi.description import described
from auth_service.api.response_body import json_response
from auth_service.services import services


class FigureList(AdminView):
    """The figures of the service."""

    name = "Admin Figures"
    allow = "GET, HEAD, OPTIONS"

    @described(returns={200: FiguresResponse})
    def get(self) -> Response:
        """Return users by status, live sessions, waiting mails, and log-ins of the last 24 hours by hour."""
        return json_response(FiguresResponse.of(services().figures.read()))


class KeyList(AdminView):
    """The keys of access tokens."""

    name = "Admin Key List"
    allow = "GET, HEAD, OPTIONS"

    @described(returns={200: KeyListResponse})
    def get(self) -> Response:
        """Return the keys that verify access tokens, the signing key first. No private key is in the response."""
        return json_response(KeyListResponse(list_keys()))


def list_keys() -> list[KeyResponse]:
    """Return the keys that verify access tokens, the signing key first."""
    ring, uses = services().keys.current(), services().key_uses
    return [
        KeyResponse(
            role="signing" if kid == ring.signing.public.kid else "accepted",
            kid=kid,
            algorithm=key.algorithm,
            tokens_expire_at=uses.tokens_expire_at(kid),
        )
        for kid, key in ring.verifying.items()
    ]
