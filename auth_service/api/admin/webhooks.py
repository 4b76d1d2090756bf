"""/auth/admin/webhooks/: the endpoints of webhooks, the log of deliveries, and their replay."""

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
from auth_service.api.admin.view import AdminView
from auth_service.api.models.administration.lists import SliceResponse
from auth_service.api.models.administration.webhooks import (
    ReplayedWebhooksResponse,
    WebhookDeliveryResponse,
    WebhookEndpointListResponse,
    WebhookEndpointResponse,
    WebhookMessageResponse,
)
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import BAD_WEBHOOK_STATUS, NO_ENDPOINT, NO_MESSAGE, NO_SINCE
from auth_service.api.openapi.query import WebhookDeliveryQuery, WebhookReplayQuery
from auth_service.api.response_body import json_response
from auth_service.services import Webhooks, services
from auth_service.webhooks.endpoints import MAX_ENDPOINTS, Endpoint, new_test_delivery
from auth_service.webhooks.outbox import DeliveryFilter, DeliveryStatus, LoggedDelivery

_FILTERS = ("endpoint", "type", "status", "since")
_WRONG_STATUS = f"Must be one of: {', '.join(DeliveryStatus)}."


class WebhookEndpointList(AdminView):
    """The endpoints of webhooks."""

    name = "Admin Webhook List"
    allow = "GET, HEAD, OPTIONS"

    @described(returns={200: WebhookEndpointListResponse})
    def get(self) -> Response:
        """Return each endpoint of WEBHOOKS and whether it works. No secret is in the response."""
        states = _webhooks().outbox.states()
        endpoints = _webhooks().subscriptions.current().values()
        found = [WebhookEndpointResponse.of(endpoint, states) for endpoint in endpoints]
        return json_response(WebhookEndpointListResponse(found))


class WebhookDeliveryList(AdminView):
    """The log of deliveries."""

    name = "Admin Webhook Delivery List"
    allow = "GET, HEAD, OPTIONS"

    @described(
        query=WebhookDeliveryQuery,
        returns={200: SliceResponse[WebhookDeliveryResponse]},
        errors=[BAD_WEBHOOK_STATUS],
    )
    def get(self) -> Response:
        """Return the newest deliveries; `?before=` an id continues. 400 for a wrong value."""
        limit = requested_limit()
        wanted = DeliveryFilter(
            endpoint=read_text("endpoint"),
            type=read_text("type"),
            status=_requested_status(),
            since=_requested_since(),
        )
        before = read_parameter("before", record_id, WRONG_ID)
        found = list(_webhooks().outbox.page(wanted, before=before, limit=limit + 1))
        following = slice_url("before", str(found[limit - 1].id), _FILTERS) if len(found) > limit else None
        results = [WebhookDeliveryResponse.of(delivery) for delivery in found[:limit]]
        return json_response(SliceResponse[WebhookDeliveryResponse](next=following, results=results))


class WebhookMessage(AdminView):
    """A message."""

    name = "Admin Webhook Message"
    allow = "GET, HEAD, OPTIONS"

    @described(returns={200: WebhookMessageResponse}, errors=[NO_MESSAGE])
    def get(self, message_id: str) -> Response:
        """Return the message with its body, and its delivery to each endpoint."""
        return json_response(WebhookMessageResponse.of_deliveries(_deliveries_of(message_id)))


class WebhookMessageReplay(AdminView):
    """The replay of a message."""

    name = "Admin Webhook Message Replay"
    allow = "POST, OPTIONS"

    @described(returns={202: ReplayedWebhooksResponse}, errors=[NO_MESSAGE])
    def post(self, message_id: str) -> Response:
        """Send the message again to each of its endpoints, with the same id. Deliveries that wait are not changed."""
        found = _deliveries_of(message_id)
        wanted = DeliveryFilter(message_id=found[0].message_id)
        return _replayed(_webhooks().outbox.replay_all(wanted, services().clock()))


class WebhookReplay(AdminView):
    """The replay of messages to an endpoint."""

    name = "Admin Webhook Replay"
    allow = "POST, OPTIONS"

    @described(
        query=WebhookReplayQuery,
        returns={202: ReplayedWebhooksResponse},
        errors=[NO_ENDPOINT, NO_SINCE, BAD_WEBHOOK_STATUS],
    )
    def post(self, endpoint: str) -> Response:
        """Send the messages since a time again that failed, or those of another `?status=`, with the same ids."""
        since = _requested_since()
        if since is None:
            raise NO_SINCE
        status = _requested_status() or DeliveryStatus.FAILED
        wanted = DeliveryFilter(endpoint=_endpoint(endpoint).name, status=status, since=since)
        return _replayed(_webhooks().outbox.replay_all(wanted, services().clock()))


class WebhookEnabling(AdminView):
    """The enabling of an endpoint."""

    name = "Admin Webhook Enable"
    allow = "POST, OPTIONS"

    @described(returns={200: WebhookEndpointResponse}, errors=[NO_ENDPOINT])
    def post(self, endpoint: str) -> Response:
        """Send webhooks to an endpoint again that was disabled. Those that wait are sent at once."""
        found = _endpoint(endpoint)
        _webhooks().outbox.enable(found.name)
        return json_response(WebhookEndpointResponse.of(found, _webhooks().outbox.states()))


class WebhookTest(AdminView):
    """A test message."""

    name = "Admin Webhook Test"
    allow = "POST, OPTIONS"

    @described(returns={202: WebhookMessageResponse}, errors=[NO_ENDPOINT])
    def post(self, endpoint: str) -> Response:
        """Queue a message of the type `webhook.test`. The log of deliveries shows its result."""
        delivery = new_test_delivery(_endpoint(endpoint).name, services().clock())
        _webhooks().outbox.add(delivery)
        return json_response(WebhookMessageResponse.of_deliveries(_deliveries_of(delivery.message.id)), 202)


def _webhooks() -> Webhooks:
    return services().webhooks


def _endpoint(name: str) -> Endpoint:
    """Return the endpoint of a path. Raises ApiError(404)."""
    found = _webhooks().subscriptions.current().get(name)
    if found is None:
        raise NO_ENDPOINT
    return found


def _deliveries_of(message_id: str) -> list[LoggedDelivery]:
    """Return the deliveries of the message of a path. Raises ApiError(404)."""
    text = message_id.replace("\0", "")  # PostgreSQL has no text with NUL
    wanted = DeliveryFilter(message_id=text)
    found = list(_webhooks().outbox.page(wanted, before=None, limit=MAX_ENDPOINTS)) if text else []
    if not found:
        raise NO_MESSAGE
    return found


def _requested_status() -> DeliveryStatus | None:
    return read_parameter("status", DeliveryStatus, _WRONG_STATUS)


def _requested_since() -> float | None:
    return read_parameter("since", point_in_time, WRONG_TIME)


def _replayed(number: int) -> Response:
    return json_response(ReplayedWebhooksResponse(replayed=number), 202)
