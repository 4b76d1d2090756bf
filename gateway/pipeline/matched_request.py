"""The result of matching: a request's route, and what is forwarded of its head."""

from dataclasses import dataclass

from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.pipeline.request_head import HeadTemplate
from gateway.routing.routes import Route


@dataclass(frozen=True, slots=True)
class MatchedRequest:
    """A request's route and upstream head, before its client is authenticated.

    It has no credentials, and no field for credentials, so all requests with the same cached head share it.
    """

    route: Route
    authenticator: Authenticator | None
    """The authenticator for the kind of credentials in the request; None on a public route."""
    template: HeadTemplate
    has_body: bool
    chunked: bool
    is_websocket: bool
    """Whether it is the handshake of a WebSocket on a route that accepts WebSockets."""
