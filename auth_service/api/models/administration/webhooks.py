"""Bodies of /auth/admin/webhooks/: endpoints and deliveries."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field

from auth_service.api.models.base import ListResponse, ResponseBody, Timestamp
from auth_service.webhooks.endpoints import Endpoint
from auth_service.webhooks.messages import MessageType
from auth_service.webhooks.outbox import DeliveryStatus, EndpointState, LoggedDelivery


class WebhookEndpointResponse(ResponseBody):
    """An endpoint. `origin` is its URL without the path, which may contain a secret.

    `failing_since` is null while its last delivery arrived. Nothing is sent to a `disabled` one.
    """

    name: str = Field(examples=["crm"])
    origin: str = Field(examples=["https://crm.example.org"])
    events: Sequence[MessageType] = Field(examples=[["user.created", "user.deleted"]])
    secrets: int = Field(examples=[1])
    state: Literal["active", "failing", "disabled"] = Field(examples=["active"])
    failing_since: Timestamp | None
    disabled_at: Timestamp | None
    reason: str = Field(examples=[""])

    @classmethod
    def of(cls, endpoint: Endpoint, states: Sequence[EndpointState]) -> Self:
        """Return the response for an endpoint. `states` are those of all endpoints that fail."""
        found = next((state for state in states if state.name == endpoint.name), None)
        parts = urlsplit(endpoint.url)
        return cls(
            name=endpoint.name,
            origin=f"{parts.scheme}://{parts.netloc}",
            events=[each for each in MessageType if each in endpoint.types],
            secrets=len(endpoint.keys),
            state="active" if found is None else "failing" if found.disabled_at is None else "disabled",
            failing_since=found.failing_since if found else None,
            disabled_at=found.disabled_at if found else None,
            reason=found.reason if found else "",
        )


class WebhookEndpointListResponse(ListResponse[WebhookEndpointResponse]):
    """The endpoints of WEBHOOKS."""


class WebhookDeliveryResponse(ResponseBody):
    """A message for one endpoint. `message_id` is its `webhook-id`.

    `attempts` counts the attempts since it was added or replayed. `due_at` is when the next one is due.
    `status_code` and `detail` are of the last attempt; without a response, `status_code` is null.
    """

    id: int = Field(examples=[4711])
    message_id: str = Field(examples=["msg_5f0c1e9a2b3d4c5e8f7a6b9c0d1e2f3a"])
    type: str = Field(examples=["user.created"])
    endpoint: str = Field(examples=["crm"])
    status: DeliveryStatus
    attempts: int = Field(examples=[1])
    created_at: Timestamp
    last_attempt_at: Timestamp | None
    due_at: Timestamp | None
    status_code: int | None = Field(examples=[204])
    detail: str = Field(examples=[""])

    @classmethod
    def of(cls, delivery: LoggedDelivery) -> Self:
        """Return the response for a delivery."""
        return cls.model_validate(delivery)


class WebhookMessageResponse(ResponseBody):
    """A message with its body, and its delivery to each endpoint."""

    message_id: str = Field(examples=["msg_5f0c1e9a2b3d4c5e8f7a6b9c0d1e2f3a"])
    body: Mapping[str, Any] = Field(examples=[{"type": "user.created", "data": {"email": "ann@example.org"}}])
    deliveries: Sequence[WebhookDeliveryResponse]

    @classmethod
    def of_deliveries(cls, deliveries: Sequence[LoggedDelivery]) -> Self:
        """Return the response for the deliveries of one message."""
        first = deliveries[0]
        return cls(
            message_id=first.message_id,
            body=json.loads(first.body),
            deliveries=[WebhookDeliveryResponse.of(delivery) for delivery in deliveries],
        )


class ReplayedWebhooksResponse(ResponseBody):
    """How many deliveries will be sent again."""

    replayed: int = Field(examples=[12])
