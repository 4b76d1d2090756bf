"""Act as a browser: log in at /session/ for a session cookie, and send requests with it."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.gateway.raw_client import RawResponse
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.stand_ins.auth_service import PASSWORD, AuthStandIn

COOKIE = "__Host-session"
SAME_ORIGIN = ("X-Requested-With: app", "Sec-Fetch-Site: same-origin")
"""Header fields of a request by a page of the gateway's own origin."""
UNKNOWN_HANDLE = "u" * 43
"""A well-formed handle without a session."""


def send(gateway: RunningGateway, line: str, *fields: str, body: bytes = b"") -> RawResponse:
    """Send one request on a connection of its own; `line` is the request line without the version."""
    with gateway.connect() as client:
        length = [f"Content-Length: {len(body)}"] if body else []
        return client.request(f"{line} HTTP/1.1", "Host: gateway", *fields, *length, body=body)


def send_concurrently(clients: int, gateway: RunningGateway, auth: AuthStandIn, *fields: str) -> list[int]:
    """Return the statuses of concurrent requests. All of them arrive before the auth service answers any call."""
    auth.holds_responses = True
    with ThreadPoolExecutor(clients) as pool:
        responses = [pool.submit(send, gateway, "GET /api/x", *fields) for _ in range(clients)]
        have_arrived = gateway.wait_for_clients(clients)
        auth.holds_responses = False
        assert have_arrived
        return [response.result().status for response in responses]


def log_in(gateway: RunningGateway, password: str = PASSWORD, *fields: str) -> RawResponse:
    """Log in as Ada, by default from a page of the gateway's own origin."""
    body = json.dumps({"email": "ada@example.org", "password": password}).encode()
    return send(gateway, "POST /session/", "Content-Type: application/json", *(fields or SAME_ORIGIN), body=body)


def handle_in(response: RawResponse) -> str:
    """Return the handle in the session cookie that a log-in sets."""
    assert response.status == 200, response
    return session_cookie_in(response).split(";")[0].removeprefix(f"{COOKIE}=")


def session_cookie_in(response: RawResponse) -> str:
    """Return the Set-Cookie value of the session cookie that a log-in sets beside the device cookie."""
    (cookie,) = [cookie for cookie in response.get_all("set-cookie") if cookie.startswith(f"{COOKIE}=")]
    return cookie


def log_in_for_cookie(gateway: RunningGateway) -> str:
    """Log in and return the Cookie header field of the session."""
    return f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
