"""The webhook job: it claims the deliveries that are due, one at a time for each endpoint, and sends them.

Failure policy: a delivery is recorded as arrived after the receiver has answered 2xx. If the process dies between
these two, the message is sent once more when the claim ends, with the same `webhook-id`. Each endpoint has a thread,
so a slow one does not delay the others. Several processes may run the job: a claimed delivery is not due for the
others, and messages to one endpoint may overtake each other.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import structlog
from flask import Flask

from auth_service.jobs.periodic import PeriodicJob
from auth_service.webhooks.endpoints import Endpoint, Subscriptions
from auth_service.webhooks.outbox import AttemptResult, ClaimedDelivery, WebhookOutbox
from auth_service.webhooks.retry_policy import delay_after, is_unavailable, must_disable, pause_after
from auth_service.webhooks.signature import signed_headers
from auth_service.webhooks.transport import NotSent, WebhookResponse, WebhookTransport
from chassis.clock import Clock

INTERVAL = 1.0
"""Seconds between two looks at the deliveries of an endpoint."""
CLAIM_SECONDS = 120.0
"""Seconds after which a claim ends. Longer than any attempt, which takes 15 seconds after the look-up of the host."""

WebhookResult = Literal["delivered", "delayed", "failed"]
"""The result of an attempt to send a webhook."""

_log = structlog.get_logger("webhooks")


@dataclass(slots=True)
class _Lane:
    """What a process knows of an endpoint. One thread uses it at a time."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    unrecorded: list[tuple[ClaimedDelivery, AttemptResult]] = field(default_factory=list)
    """Deliveries that arrived and could not be recorded, because the database did not answer."""
    failures: int = 0
    """Attempts in a row without a response."""
    paused_until: float = 0.0


class WebhookSender:
    """Sends the deliveries of an outbox. `stop` may be called by another thread."""

    def __init__(
        self,
        outbox: WebhookOutbox,
        subscriptions: Subscriptions,
        transport: WebhookTransport,
        clock: Clock,
        chance: Callable[[], float] = random.random,
        count: Callable[[WebhookResult], None] = lambda _: None,
    ) -> None:
        """Call `count` with the result of each attempt."""
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._transport = transport
        self._clock = clock
        self._chance = chance
        self._count = count
        self._stopping = threading.Event()
        self._lanes: dict[str, _Lane] = {}

    def stop(self) -> None:
        """End each run after its current delivery."""
        self._stopping.set()

    def send_due(self) -> int:
        """Send every delivery that is due, one endpoint after the other, and return how many arrived."""
        return sum(map(self.send_due_to, self._subscriptions.current()))

    def send_due_to(self, name: str) -> int:
        """Send every delivery to an endpoint that is due, and return how many arrived. Raises StoreUnavailable.

        While the endpoint does not respond, nothing is sent to it for a pause, and the deliveries stay due.
        """
        lane = self._lanes.setdefault(name, _Lane())
        arrived = 0
        with lane.turn:
            while not self._stopping.is_set() and self._clock() >= lane.paused_until:
                self._record_arrived(lane)
                endpoint = self._subscriptions.current().get(name)
                now = self._clock()
                delivery = self._outbox.claim(name, now, now + CLAIM_SECONDS) if endpoint else None
                if endpoint is None or delivery is None:
                    break
                arrived += self._send(endpoint, delivery, lane)
        return arrived

    def send_once(self, endpoint: Endpoint, message_id: str, body: str) -> WebhookResponse:
        """Send a message, whatever the outbox has, and return the response. Raises NotSent."""
        content = body.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "Sallyport-Webhooks/1",
            "connection": "close",
            **signed_headers(message_id, content, endpoint.keys, self._clock()),
        }
        return self._transport.post(endpoint.url, headers, content)

    def _send(self, endpoint: Endpoint, delivery: ClaimedDelivery, lane: _Lane) -> bool:
        """Send a claimed delivery and return whether it arrived."""
        try:
            response = self.send_once(endpoint, delivery.message_id, delivery.body)
        except NotSent as error:
            self._fail(delivery, AttemptResult(None, str(error)), None, lane)
            return False
        result = AttemptResult(response.status, explained(response))
        if not response.is_success:
            self._fail(delivery, result, response.retry_after, lane)
            return False
        self._succeed(delivery, result, lane)
        return True

    def _succeed(self, delivery: ClaimedDelivery, result: AttemptResult, lane: _Lane) -> None:
        lane.failures = 0
        lane.unrecorded.append((delivery, result))
        self._count("delivered")
        seconds = round(self._clock() - delivery.created_at, 1)
        _log.info("webhook_delivered", **_fields(delivery, result), seconds=seconds)
        self._record_arrived(lane)

    def _record_arrived(self, lane: _Lane) -> None:
        while lane.unrecorded:
            delivery, result = lane.unrecorded[-1]
            self._outbox.record_success(delivery, result, self._clock())
            lane.unrecorded.pop()

    def _fail(self, delivery: ClaimedDelivery, result: AttemptResult, retry_after: float | None, lane: _Lane) -> None:
        now = self._clock()
        if is_unavailable(result.status_code):
            lane.failures += 1
            lane.paused_until = now + pause_after(lane.failures, self._chance(), retry_after)
        delay = delay_after(delivery.attempts + 1, self._chance(), retry_after)
        if result.status_code == 410:
            delay = None
        failing_since = self._outbox.record_failure(delivery, result, now, None if delay is None else now + delay)
        # What the receiver wrote is not logged: it may repeat the message, which has e-mail addresses.
        error = result.detail if result.status_code is None else f"HTTP {result.status_code}"
        fields = _fields(delivery, result)
        if delay is None:
            self._count("failed")
            _log.error("webhook_failed", **fields, error=error)
        else:
            self._count("delayed")
            _log.warning("webhook_delayed", **fields, error=error, retry_in=round(delay))
        disabled = must_disable(result.status_code, failing_since, now)
        if disabled and self._outbox.disable(delivery.endpoint, now, disabled):
            _log.error("webhook_endpoint_disabled", endpoint=delivery.endpoint, reason=disabled)


class WebhookJobs:
    """Runs a thread for each endpoint. Endpoints that are added while the process runs get one too."""

    def __init__(self, app: Flask, sender: WebhookSender, subscriptions: Subscriptions) -> None:
        self._app = app
        self._sender = sender
        self._subscriptions = subscriptions
        self._starter = PeriodicJob(app, "webhooks", INTERVAL, self.start_missing)
        self._jobs: dict[str, PeriodicJob] = {}

    def start(self) -> None:
        """Start the threads; call it after the process has forked."""
        self._starter.start()

    def start_missing(self) -> None:
        """Start the threads of endpoints that have none. The thread of an endpoint that was removed does nothing."""
        for name in self._subscriptions.current():
            if name not in self._jobs:
                self._jobs[name] = self._job_for(name)
                self._jobs[name].start()

    def stop(self, timeout: float | None = None) -> None:
        """Let the current deliveries finish, then end the threads. Wait at most `timeout` seconds for each."""
        self._sender.stop()
        self._starter.stop(timeout)
        for job in self._jobs.values():
            job.stop(timeout)

    def _job_for(self, name: str) -> PeriodicJob:
        return PeriodicJob(self._app, f"webhooks {name}", INTERVAL, lambda: self._sender.send_due_to(name))


def explained(response: WebhookResponse) -> str:
    """Return what a failed response says, for the log of deliveries."""
    if 300 <= response.status < 400:
        return "redirects are not followed"
    return response.excerpt


def _fields(delivery: ClaimedDelivery, result: AttemptResult) -> dict[str, object]:
    return {
        "message": delivery.message_id,
        "type": delivery.type,
        "endpoint": delivery.endpoint,
        "attempts": delivery.attempts + 1,
        "status": result.status_code,
    }
