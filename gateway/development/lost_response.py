"""The fault `lost-answer`: a request is carried out, and its connection is closed without a response."""

from gateway.http.header_fields import HeaderFields, HeaderTuple
from gateway.http.response_head import ResponseHead
from gateway.server.client_transport import NextProtocol, UpgradedConnection
from gateway.server.request_cycle import Message, RequestCycle


class UnansweredCycle(RequestCycle):
    """A request cycle that closes the connection where another sends the end of the response."""

    __slots__ = ()

    async def send(self, message: Message) -> None:
        """Drop a part of the response. Close the connection after the last part, or the first one of a stream."""
        is_head = message["type"] == "http.response.start"
        if not is_head and (self.is_event_stream or not message.get("more_body", False)):
            self.abandon()

    def respond(self, status: int, headers: HeaderFields, body: bytes) -> int:
        """Close the connection, and return `status`."""
        self.abandon()
        return status

    def respond_with_cached_head(self, head: ResponseHead, more_headers: HeaderTuple, body: bytes) -> int:
        """Close the connection, and return the status."""
        self.abandon()
        return head.status

    def upgrade(self, next_protocol: NextProtocol) -> UpgradedConnection:
        """Raise ConnectionError, as for a client that is gone."""
        raise ConnectionError("the fault lost-answer closes the connection")


def lose_response(cycle: RequestCycle) -> None:
    """Make `cycle` close its connection instead of sending its response."""
    # The class changes, because the connection has a reference to the cycle.
    cycle.__class__ = UnansweredCycle
