"""The views of /development/faults/: list the faults that are on, switch one on, switch all off."""

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.clock import Clock
from chassis.json_body import MalformedJson, parse_json
from contract.problems import Refused
from gateway.development.fault_switch import FaultSwitch
from gateway.development.faults import FAULTS, Fault


class FaultOrder(BaseModel):
    """The body of a POST. Omitted members have their defaults; `count` is by default any number of requests."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fault: Fault
    seconds: Annotated[float, Field(gt=0, le=3_600)] = 10
    path: Annotated[str, Field(pattern="^/[!-~]*$", max_length=200)] = "/"
    count: Annotated[int, Field(ge=1, le=10_000)] | None = None


class FaultEndpoints:
    """The views of /development/faults/ and their blueprint."""

    def __init__(self, fault_switch: FaultSwitch, clock: Clock) -> None:
        self._fault_switch = fault_switch
        self._clock = clock

    def blueprint(self) -> Blueprint:
        """Return the blueprint of these views."""
        blueprint = Blueprint("faults", __name__, url_prefix="/development/faults")
        blueprint.add_url_rule("/", view_func=self.list_faults, methods=["GET"])
        blueprint.add_url_rule("/", view_func=self.turn_on, methods=["POST"])
        blueprint.add_url_rule("/", view_func=self.turn_all_off, methods=["DELETE"])
        return blueprint

    def list_faults(self) -> Response:
        """Return the faults that are on, and the names of all faults."""
        now = self._clock()
        faults = [
            {
                "fault": switched.fault,
                "path": switched.path,
                "seconds": round(switched.ends_at - now, 3),
                "count": switched.count,
            }
            for switched in self._fault_switch.faults()
        ]
        return jsonify(faults=faults, names=FAULTS)

    def turn_on(self) -> Response:
        """Switch a fault on, and return the list."""
        # A page of another origin can send a body of another type without a preflight.
        if request.mimetype != "application/json":
            raise Refused("unsupported_media_type", "Send the fault as application/json.")
        order = _read_order(request.get_data())
        self._fault_switch.turn_on(order.fault, order.path, order.seconds, order.count)
        return self.list_faults()

    def turn_all_off(self) -> Response:
        """Switch every fault off, and return the list."""
        self._fault_switch.turn_all_off()
        return self.list_faults()


def _read_order(body: bytes) -> FaultOrder:
    """Return the order in `body`. Raises Refused(400), with the reason for each invalid field."""
    try:
        return FaultOrder.model_validate(parse_json(body))
    except MalformedJson as error:
        raise Refused("bad_body", f"The body must be a JSON object: {error.reason}.") from error
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        errors = {str(problem["loc"][0] if problem["loc"] else "body"): [problem["msg"]] for problem in problems}
        detail = "; ".join(f"{field}: {reasons[0]}" for field, reasons in errors.items())
        raise Refused("invalid_fields", detail, extra={"errors": errors}) from error
