"""`webhooks`: endpoints of webhooks, the log of deliveries, and their replay."""

import click

from auth_service.api.models.administration.webhooks import WebhookDeliveryResponse, WebhookEndpointResponse
from auth_service.api.models.administration.webhooks import WebhookMessageResponse as MessageResponse
from auth_service.cli.output import (
    confirm,
    json_option,
    print_json,
    print_list,
    print_members,
    print_result,
    yes_option,
)
from auth_service.cli.times import time_option
from auth_service.jobs.webhooks import explained
from auth_service.services import services
from auth_service.webhooks.endpoints import MAX_ENDPOINTS, Endpoint, new_test_delivery
from auth_service.webhooks.messages import TEST, MessageType
from auth_service.webhooks.outbox import DeliveryFilter, DeliveryStatus
from auth_service.webhooks.signature import new_secret
from auth_service.webhooks.transport import NotSent

_ENDPOINT_COLUMNS = ("name", "origin", "state", "failing_since", "events")
_DELIVERY_COLUMNS = ("created_at", "message_id", "type", "endpoint", "status", "attempts", "status_code", "detail")

_STATUSES = [status.value for status in DeliveryStatus]
_TYPES = [*(each.value for each in MessageType), TEST]


@click.group()
def webhooks() -> None:
    """Show the endpoints of WEBHOOKS and what was sent to them, and send it again."""


@webhooks.command("list")
@json_option
def list_endpoints(as_json: bool) -> None:
    """List the endpoints and whether they work."""
    states = services().webhooks.outbox.states()
    endpoints = services().webhooks.subscriptions.current().values()
    rows = [WebhookEndpointResponse.of(endpoint, states).model_dump(mode="json") for endpoint in endpoints]
    print_list(rows, _ENDPOINT_COLUMNS, as_json=as_json)


@webhooks.command()
@click.option("--endpoint", default="", metavar="NAME", help="Only those to this endpoint.")
@click.option("--type", "message_type", type=click.Choice(_TYPES), help="Only messages of this type.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those with this status.")
@time_option("--since", "Only messages from this date or time on, such as 2027-06-01.")
@click.option("--before", type=click.IntRange(1), help="Only those with a lower id: continues an earlier list.")
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@json_option
def deliveries(
    endpoint: str,
    message_type: str | None,
    status: str | None,
    since: float | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the newest deliveries, the newest first."""
    wanted = DeliveryFilter(
        endpoint, message_type or "", status=DeliveryStatus(status) if status else None, since=since
    )
    found = services().webhooks.outbox.page(wanted, before=before, limit=limit)
    rows = [WebhookDeliveryResponse.of(delivery).model_dump(mode="json") for delivery in found]
    print_list(rows, _DELIVERY_COLUMNS, as_json=as_json)


@webhooks.command()
@click.argument("message")
@json_option
def show(message: str, as_json: bool) -> None:
    """Show the message with the id MESSAGE, the `webhook-id`, and its delivery to each endpoint."""
    found = services().webhooks.outbox.page(DeliveryFilter(message_id=message), before=None, limit=MAX_ENDPOINTS)
    if not found:
        raise click.ClickException(f"MESSAGE: there is no message {message}; it may be older than WEBHOOK_RETENTION")
    shown = MessageResponse.of_deliveries(found).model_dump(mode="json")
    if as_json:
        print_json(shown)
        return
    print_members({"message_id": shown["message_id"], "body": found[0].body}, as_json=False)
    print_list(shown["deliveries"], ("endpoint", "status", "attempts", "status_code", "detail"), as_json=False)


@webhooks.command()
@click.argument("message", required=False)
@click.option("--endpoint", default="", metavar="NAME", help="Only to this endpoint.")
@time_option("--since", "All failed messages from this date or time on, instead of MESSAGE.")
@click.option("--status", type=click.Choice(_STATUSES), default="failed", show_default=True, help="With --since.")
@yes_option
@json_option
def replay(
    message: str | None, endpoint: str, since: float | None, status: str, is_confirmed: bool, as_json: bool
) -> None:
    """Send MESSAGE again, or those since a time. The `webhook-id` stays, so receivers recognize what they had."""
    if (message is None) is (since is None):
        raise click.UsageError("name a MESSAGE, or a time with --since")
    if endpoint:
        _find(endpoint)
    if message:
        wanted = DeliveryFilter(endpoint, message_id=message)
    else:
        confirm(f"Send every {status} message again?", is_confirmed=is_confirmed)
        wanted = DeliveryFilter(endpoint, status=DeliveryStatus(status), since=since)
    replayed = services().webhooks.outbox.replay_all(wanted, services().clock())
    if message and not replayed:
        raise click.ClickException(f"MESSAGE: {message} has no delivery that was sent or given up")
    print_result(f"{replayed} deliveries will be sent again", {"replayed": replayed}, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@json_option
def enable(endpoint: str, as_json: bool) -> None:
    """Send webhooks to ENDPOINT again, which was disabled. Those that wait are sent at once."""
    name = _find(endpoint).name
    was_disabled = services().webhooks.outbox.enable(name)
    message = f"enabled {name}" if was_disabled else f"{name} was not disabled"
    print_result(message, {"endpoint": name, "was_disabled": was_disabled}, as_json=as_json)


@webhooks.command("send-test")
@click.argument("endpoint")
@json_option
def send_test(endpoint: str, as_json: bool) -> None:
    """Send a test message to ENDPOINT at once. Exits with 1 if it was not accepted. It is not in the log."""
    found = _find(endpoint)
    message = new_test_delivery(found.name, services().clock()).message
    try:
        response = services().webhooks.sender.send_once(found, message.id, message.body)
    except NotSent as error:
        status, detail, is_accepted = None, str(error), False
    else:
        status, detail, is_accepted = response.status, explained(response), response.is_success
    if as_json:
        print_json({"message_id": message.id, "accepted": is_accepted, "status_code": status, "detail": detail})
    elif is_accepted:
        click.echo(f"{found.name} accepted {message.id}: HTTP {status}")
    if not is_accepted:
        reason = ": ".join(filter(None, (f"HTTP {status}" if status else "", detail)))
        raise click.ClickException(f"ENDPOINT: {found.name} did not accept the message: {reason}")


@webhooks.command("new-secret")
def print_secret() -> None:
    """Print a new secret for WEBHOOKS and for the receiver. Nothing is changed."""
    click.echo(new_secret())


def _find(name: str) -> Endpoint:
    """Return the endpoint of this name. Exit with 1 if there is none."""
    endpoints = services().webhooks.subscriptions.current()
    if name not in endpoints:
        known = ", ".join(endpoints) or "none"
        raise click.ClickException(f"ENDPOINT: WEBHOOKS has no endpoint {name}; it has: {known}")
    return endpoints[name]
