"""The dispatcher in development: it plays the faults that a request orders, or that the fault switch has on."""

import structlog

from contract.problems import Refused
from gateway.development.fault_switch import FaultSwitch
from gateway.development.faults import FAULT_HEADER, FAULTS, FaultyRequest
from gateway.development.lost_response import lose_response
from gateway.http.origin import printable
from gateway.http.request import Request
from gateway.proxy.dispatcher import Dispatcher
from gateway.server.request_cycle import RequestCycle

_SESSION_PATH = b"/session"

_log = structlog.get_logger("faults")


class FaultyDispatcher(Dispatcher):
    """Plays faults on forwarded requests and on /session/, not on the gateway's other endpoints."""

    fault_switch: FaultSwitch
    """The faults that are on. Set by Development."""

    def begin(self, cycle: RequestCycle) -> None:
        """Give the request its fault, and answer it as the dispatcher does."""
        fault = self._ordered_fault(cycle.request)
        if fault is not None:
            cycle.request = FaultyRequest.of(cycle.request, fault)
            _log.info("fault_played", fault=printable(fault), request_id=cycle.request.request_id)
            if fault == "lost-answer":
                lose_response(cycle)
        super().begin(cycle)

    def _ordered_fault(self, request: Request) -> str | None:
        """Return the name of the request's fault, which may be unknown; None if there is none."""
        if self._is_for_gateway(request) and not request.path.startswith(_SESSION_PATH):
            return None
        if (name := request.header(FAULT_HEADER)) is not None:
            return name
        # A browser sends a preflight by itself, and takes any failure of it for a wrong configuration.
        return None if self._cors.is_preflight(request) else self.fault_switch.take(request.path.decode("latin-1"))

    def _start_admission(self, cycle: RequestCycle, started: float) -> None:
        _refuse_faulty(cycle.request)
        super()._start_admission(cycle, started)

    async def _respond(self, cycle: RequestCycle, started: float) -> int | None:
        _refuse_faulty(cycle.request)
        return await super()._respond(cycle, started)


def _refuse_faulty(request: Request) -> None:
    """Raise Refused: 503 for the fault `unavailable`, 400 for an unknown fault."""
    if not isinstance(request, FaultyRequest):
        return
    if request.fault not in FAULTS:
        known, given = ", ".join(FAULTS), printable(request.fault)
        raise Refused("bad_header", f'X-Sallyport-Fault must be one of: {known}; got "{given}".')
    if request.fault == "unavailable":
        raise Refused("upstream_unavailable", "The fault `unavailable` was ordered.", retry_after=1)
