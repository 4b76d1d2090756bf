"""Tickets are accepted only where streams are opened, and an accepted ticket is never forwarded."""

import pytest

from gateway.http.request import Request
from gateway.pipeline.authenticators.ticket import split_tickets
from gateway.routing.routes import Route, Timeouts, Upstream

NOTES = Upstream("notes", (), "notes", None, 1)
HANDSHAKE = [(b"host", b"h"), (b"upgrade", b"websocket"), (b"connection", b"Upgrade")]


def route(*, public: bool = False, streams: bool = False, websocket: bool = False) -> Route:
    return Route(
        "/x/", NOTES, public, frozenset(), frozenset({"GET"}), 0, Timeouts(), streams=streams, websocket=websocket
    )


def request(query: bytes, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None) -> Request:
    return Request("id-1", method, b"/x/", query, headers or HANDSHAKE[:1], "1.1", "192.0.2.7", "https", None)


@pytest.mark.parametrize(
    ("query", "kept", "tickets"),
    [
        (b"ticket=t", b"", ("t",)),
        (b"a=1&ticket=t&b=2", b"a=1&b=2", ("t",)),
        (b"ticket=", b"", ("",)),
        (b"ticket=t&ticket=u", b"", ("t", "u")),
        (b"my-ticket=t", b"my-ticket=t", ()),
        (b"a=ticket=t", b"a=ticket=t", ()),
        (b"ticket", b"ticket", ()),
        (b"", b"", ()),
        (b"a=1&&b=2", b"a=1&&b=2", ()),
    ],
)
def test_tickets_are_removed_from_the_query(query: bytes, kept: bytes, tickets: tuple[str, ...]) -> None:
    assert split_tickets(request(query), route(streams=True)) == (kept, tickets)


@pytest.mark.parametrize(
    ("where", "with_ticket", "accepted"),
    [
        (route(streams=True), request(b"ticket=t"), True),
        (route(streams=True), request(b"ticket=t", "POST"), False),
        (route(streams=True, public=True), request(b"ticket=t"), False),
        (route(websocket=True), request(b"ticket=t", headers=HANDSHAKE), True),
        (route(websocket=True), request(b"ticket=t"), False),
        (route(), request(b"ticket=t", headers=HANDSHAKE), False),
    ],
)
def test_a_ticket_is_accepted_only_where_it_opens_a_stream(
    where: Route, with_ticket: Request, accepted: bool
) -> None:
    """Elsewhere `ticket` is a parameter like any other, for the service."""
    assert split_tickets(with_ticket, where) == ((b"", ("t",)) if accepted else (b"ticket=t", ()))
