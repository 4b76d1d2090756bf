"""/openapi.json and /docs/ of a running gateway, and the documents of services behind it."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from openapi_spec_validator import validate
from structlog.testing import capture_logs

from gateway.api_description import endpoints, upstream_documents
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, ok
from tests.gateway.routes_toml import AUTH_UPSTREAM, route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running

REPORTS = {
    "openapi": "3.1.0",
    "info": {"title": "Reports", "version": "1"},
    "paths": {"/reports/daily": {"get": {"responses": {"200": {"description": "OK"}}}}},
}
Serve = Callable[..., RunningGateway]


def answering(body: bytes) -> Script:
    async def script(conversation: Conversation) -> None:
        await conversation.write(ok(body))

    return script


@pytest.fixture
def serve(make_app: MakeApp, tmp_path: Path) -> Iterator[Serve]:
    """Start a gateway with a service that has a document. Settings change the gateway's."""
    routes = tmp_path / "routes.toml"
    routes.write_text(
        routes_toml(
            AUTH_UPSTREAM,
            upstream_table("reports", identity_secret_env="NOTES_SECRET", openapi="/spec.json"),
            route_table("/reports/", upstream="reports", methods=["GET"]),
        )
    )
    with ExitStack() as gateways:
        yield lambda **settings: gateways.enter_context(running(make_app(GATEWAY_ROUTES=str(routes), **settings)))


def get(served: RunningGateway, path: str, *fields: str) -> RawResponse:
    return single_request(served.port, f"GET {path} HTTP/1.1", "Host: gateway", *fields)


def test_the_document_contains_the_operations_of_a_service(serve: Serve, upstream: RawUpstream) -> None:
    """The gateway reads the service's document and adds what its routes let through."""
    upstream.begin(answering(json.dumps(REPORTS).encode()))
    response = get(serve(), "/openapi.json")
    document = json.loads(response.body)
    validate(document)
    assert response.get("content-type") == "application/json"
    assert {"/session/", "/session/ticket/", "/reports/daily"} == set(document["paths"])


@pytest.mark.parametrize("body", [b"<html>", b"x" * (upstream_documents.MAX_BYTES + 1)])
def test_a_broken_service_never_breaks_the_document(serve: Serve, upstream: RawUpstream, body: bytes) -> None:
    """What cannot be used is logged and left out."""
    upstream.begin(answering(body))
    served = serve()
    with capture_logs() as lines:
        response = get(served, "/openapi.json")
    assert response.status == 200
    assert "/reports/daily" not in json.loads(response.body)["paths"]
    assert [line["upstream"] for line in lines if line["event"] == "openapi_unavailable"] == ["reports"]


def test_a_service_that_does_not_answer_delays_the_document_for_a_limited_time(
    serve: Serve, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document is there after the timeout, without the service."""
    monkeypatch.setattr(upstream_documents, "TIMEOUT_SECONDS", 0.2)

    async def silent(conversation: Conversation) -> None:
        await conversation.wait_for_close()

    upstream.begin(silent)
    assert get(serve(), "/openapi.json").status == 200


def test_the_document_is_joined_again_only_after_a_change(
    serve: Serve, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask for a public document, so a request for it costs little: it is joined once for many."""
    monkeypatch.setattr(upstream_documents, "MAX_AGE_SECONDS", 0.0)
    joins: list[object] = []

    def counted(*arguments: object) -> dict[str, object]:
        joins.append(arguments)
        return {"paths": [len(joins)]}

    monkeypatch.setattr(endpoints, "join", counted)
    upstream.begin(answering(json.dumps(REPORTS).encode()))
    served = serve()
    assert {get(served, "/openapi.json").body for _ in range(5)} == {b'{"paths": [1]}\n'}
    upstream.begin(answering(json.dumps({**REPORTS, "paths": {}}).encode()))
    assert get(served, "/openapi.json").body == b'{"paths": [2]}\n'


def test_requests_at_the_same_time_fetch_a_document_once(serve: Serve, upstream: RawUpstream) -> None:
    """A slow service gets one request for its document, however many clients wait for it."""
    fetches: list[Conversation] = []
    may_answer = Event()

    async def slow(conversation: Conversation) -> None:
        fetches.append(conversation)
        await asyncio.to_thread(may_answer.wait, 5)
        await conversation.write(ok(json.dumps(REPORTS).encode()))

    upstream.begin(slow)
    served = serve()
    with ThreadPoolExecutor(4) as clients:
        responses = [clients.submit(get, served, "/openapi.json") for _ in range(4)]
        while not fetches:
            time.sleep(0.01)
        may_answer.set()
        assert all(b"/reports/daily" in response.result().body for response in responses)
    assert len(fetches) == 1


def test_the_document_of_a_service_comes_from_an_address_that_answers(
    make_app: MakeApp, upstream: RawUpstream, tmp_path: Path
) -> None:
    """While the first address of a service is down, the next one is asked."""
    upstream.begin(answering(json.dumps(REPORTS).encode()))
    routes = tmp_path / "routes.toml"
    both = upstream_table(
        "reports", urls=["http://127.0.0.1:1", upstream.url], identity_secret_env="NOTES_SECRET", openapi="/spec.json"
    )
    routes.write_text(routes_toml(AUTH_UPSTREAM, both, route_table("/reports/", upstream="reports", methods=["GET"])))
    with running(make_app(GATEWAY_ROUTES=str(routes))) as served:
        assert b"/reports/daily" in get(served, "/openapi.json").body


def test_the_description_can_be_switched_off(serve: Serve) -> None:
    """Nothing is shown with API_DOCS=off."""
    served = serve(API_DOCS="off")
    assert (get(served, "/openapi.json").status, get(served, "/docs/").status) == (404, 404)


def test_staff_alone_read_the_description(serve: Serve, upstream: RawUpstream, signing_key: SigningKey) -> None:
    """With API_DOCS=staff, others get 403, and a browser without a session the log-in page."""
    served = serve(API_DOCS="staff")

    def authorization(roles: str) -> str:
        return f"Authorization: Bearer {signing_key.sign(access_claims(time.time(), roles=roles))}"

    assert get(served, "/openapi.json").status == 401
    assert get(served, "/openapi.json", authorization("")).status == 403
    assert get(served, "/openapi.json", authorization("staff")).status == 200
    navigation = get(served, "/docs/", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Accept: text/html")
    assert (navigation.status, navigation.get("location")) == (303, "/auth/login/?next=/docs/")


def test_the_page_loads_nothing_from_other_hosts(serve: Serve) -> None:
    """The page and its files come from the gateway, under a policy without unsafe parts."""
    served = serve()
    page = get(served, "/docs/")
    policy = page.get("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"http" not in page.body
    for name in ("docs.js", "docs.css", "swagger-ui.css", "swagger-ui-bundle.js"):
        assert f"/docs/{name}".encode() in page.body
        assert get(served, f"/docs/{name}").status == 200


def test_a_route_with_the_path_of_the_description_keeps_it(
    make_app: MakeApp, upstream: RawUpstream, tmp_path: Path
) -> None:
    """An app that has pages at /docs/ is not hidden by the gateway's own."""
    routes = tmp_path / "routes.toml"
    app = upstream_table("app", identity=False)
    routes.write_text(routes_toml(AUTH_UPSTREAM, app, route_table("/docs/", "public", upstream="app")))
    with running(make_app(GATEWAY_ROUTES=str(routes))) as served:
        assert get(served, "/docs/").body == b"ok"
        assert get(served, "/openapi.json").status == 404
