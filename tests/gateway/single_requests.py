"""Requests to the gateway that each use a new connection."""

from tests.gateway.raw_client import RawResponse
from tests.gateway.running_gateway import RunningGateway


def request_once(gateway: RunningGateway, target: str = "/public/", method: str = "GET", *fields: str) -> RawResponse:
    """Send one request on a new connection and return its response."""
    with gateway.connect() as client:
        return client.request(f"{method} {target} HTTP/1.1", "Host: h", *fields)


def status_and_code(response: RawResponse) -> tuple[int, str]:
    """Return the status and the error code of a problem, whose request id must match the response's."""
    assert response.problem["request_id"] == response.get("x-request-id")
    return response.status, response.problem["code"]
