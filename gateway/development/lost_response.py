"""The fault `lost-answer`: a request is carried out, and its connection is closed without a response."""

from gateway.server.client_transport import NextProtocol, ResponseWriter, UpgradedConnection
from gateway.server.request_cycle import ClientConnection, RequestCycle


class DroppedResponse:
    """Takes the place of the transport, and drops the response of one request."""

    write_paused = False

    def __init__(self, transport: ResponseWriter, cycle: RequestCycle) -> None:
        self._transport = transport
        self._cycle = cycle

    def write(self, data: bytes) -> None:
        """Drop `data`. An event stream never ends, so its connection is closed at the first part."""
        if self._cycle.is_event_stream:
            self._cycle.abandon()

    async def drain(self) -> None:
        """Return at once."""

    def pause_reading(self) -> None:
        """Stop reading the request's body."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read more of the request's body."""
        self._transport.resume_reading()


class UnansweredConnection:
    """Takes the place of the client's connection for one request, and closes it where the response would end."""

    can_upgrade = False

    def __init__(self, connection: ClientConnection, cycle: RequestCycle) -> None:
        self._connection = connection
        self.client_transport: ResponseWriter = DroppedResponse(connection.client_transport, cycle)

    def default_response_lines(self, scheme: str) -> bytes:
        """Return the header lines of every response."""
        return self._connection.default_response_lines(scheme)

    def upgrade(self, next_protocol: NextProtocol) -> UpgradedConnection:
        """Raise ConnectionError, as for a client that is gone."""
        raise ConnectionError("the fault lost-answer closes the connection")

    def abort_response(self, cycle: RequestCycle) -> None:
        """Close the connection."""
        self._lose(cycle)
        self._connection.abort_response(cycle)

    def response_ended(self, cycle: RequestCycle) -> None:
        """Close the connection, because the client has received nothing of the response."""
        self._lose(cycle)
        self._connection.response_ended(cycle)

    def _lose(self, cycle: RequestCycle) -> None:
        cycle.started = cycle.complete = cycle.keep_alive = False
        cycle.abandoned = True


def lose_response(cycle: RequestCycle) -> None:
    """Make `cycle` close its connection instead of sending its response."""
    cycle.connection = UnansweredConnection(cycle.connection, cycle)
