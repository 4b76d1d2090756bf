"""/auth/admin/gateways/: upstreams, circuits and requests of the gateways."""

from flask import Response

from auth_service.api.admin.view import AdminView
from auth_service.api.models.administration.gateways import GatewayListResponse, GatewayResponse
from auth_service.api.openapi.description import described
from auth_service.api.response_body import json_response
from auth_service.services import services


class GatewayList(AdminView):
    """The states of the gateways."""

    name = "Admin Gateway List"
    allow = "GET, HEAD, OPTIONS"

    @described(returns={200: GatewayListResponse})
    def get(self) -> Response:
        """Return each gateway of GATEWAY_INTERNAL_ADDRESSES with its upstreams. The list is empty without any."""
        gateways = services().gateways.read()
        return json_response(GatewayListResponse([GatewayResponse.model_validate(each) for each in gateways]))
