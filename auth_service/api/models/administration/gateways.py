"""Body of /auth/admin/gateways/: the state of each gateway."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from auth_service.administration.gateway_state import CircuitState
from auth_service.api.models.base import ListResponse, ResponseBody


class AddressResponse(ResponseBody):
    """An address of an upstream. `is_out`: a worker sends it no requests."""

    address: str = Field(examples=["10.0.0.7:8002"])
    is_out: bool
    failures: int = Field(examples=[0])


class UpstreamResponse(ResponseBody):
    """An upstream with the circuit of its worst worker."""

    name: str = Field(examples=["notes"])
    circuit: CircuitState
    addresses: Sequence[AddressResponse]


class GatewayStateResponse(ResponseBody):
    """What a gateway reports. `requests` counts responses by status class since its start."""

    requests: Mapping[str, int] = Field(examples=[{"2xx": 1200, "4xx": 7}])
    upstreams: Sequence[UpstreamResponse]
    revocation_feed_age: float | None = Field(examples=[0.4])
    routes_refused: bool


class GatewayResponse(ResponseBody):
    """A gateway at its internal address. `state` is null if it did not answer; then `problem` has the reason."""

    address: str = Field(examples=["gateway:9100"])
    state: GatewayStateResponse | None
    problem: str = Field(examples=[""])


class GatewayListResponse(ListResponse[GatewayResponse]):
    """The gateways of GATEWAY_INTERNAL_ADDRESSES."""
