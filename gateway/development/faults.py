"""Faults that a developer can order for a request, to test how a client copes with them."""

from typing import Literal, get_args

from gateway.http.request import Request

FAULT_HEADER = b"x-sallyport-fault"
"""The header field in which a request orders a fault for itself."""

Fault = Literal["expired-token", "lost-answer", "unavailable"]
"""expired-token: the request's access token counts as expired.
lost-answer: the request is carried out, and the connection is closed without a response.
unavailable: 503 with Retry-After: 1, and nothing is carried out.
"""

FAULTS: tuple[Fault, ...] = get_args(Fault)


class FaultyRequest(Request):
    """A request with a fault, by the name that was ordered, which may be unknown."""

    fault: str

    @classmethod
    def of(cls, request: Request, fault: str) -> "FaultyRequest":
        """Return `request` with `fault`."""
        faulty = cls(*request)
        faulty.fault = fault
        return faulty


def has_fault(request: Request, fault: Fault) -> bool:
    """Return whether `request` has `fault`."""
    return isinstance(request, FaultyRequest) and request.fault == fault
