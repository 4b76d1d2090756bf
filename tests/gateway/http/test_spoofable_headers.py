"""Spoofable request headers are forwarded only on routes that list them in forward_headers."""

from pathlib import Path

import pytest

from gateway.http.spoofable_headers import SPOOFABLE_NAMES, SPOOFABLE_PREFIXES
from stack.plan import ROOT
from tests.gateway.conftest import ROUTES, MakeApp
from tests.gateway.http.header_names import OPT_IN
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running


@pytest.mark.parametrize("path", ["/public/", "/api/", "/auth/", "/ws/", "/stripped/deep/"])
def test_no_spoofable_header_reaches_a_service(
    gateway: RunningGateway, upstream: RawUpstream, auth_upstream: RawUpstream, token: str, path: str
) -> None:
    """Each request is sent three times, so that the request head cache is used as well."""
    forged = [f"{name.title()}: forged" for name in OPT_IN]
    with gateway.connect() as client:
        for start in range(0, len(forged), 60):
            for _ in range(3):
                fields = [f"Authorization: Bearer {token}", *forged[start : start + 60]]
                assert client.request(f"GET {path} HTTP/1.1", "Host: h", *fields).status == 200
    service = auth_upstream if path == "/auth/" else upstream
    requests = [request for request in service.requests if request.request_line.startswith("GET /")]
    assert len(requests) > 6
    assert [name for request in requests for name, value in request.fields if value == "forged"] == []


def test_a_route_forwards_the_spoofable_headers_that_it_lists(
    make_app: MakeApp, upstream: RawUpstream, tmp_path: Path
) -> None:
    """The route forwards each value of a listed header, also with a cached head. Its own request_headers win."""
    file = tmp_path / "routes.toml"
    route = (
        '[[routes]]\nprefix = "/mounted/"\nupstream = "notes"\naccess = "public"\n'
        'forward_headers = ["X-Script-Name", "CF-Connecting-IP", "Remote-User"]\n'
        'request_headers = { "Remote-User" = "gateway" }\n'
    )
    file.write_text(ROUTES + route)
    fields = (
        "X-Script-Name: /a",
        "X-Script-Name: /b",
        "CF-Connecting-IP: 192.0.2.1",
        "Remote-User: root",
        "X-Host: h",
    )
    with running(make_app(GATEWAY_ROUTES=str(file))) as gateway, gateway.connect() as client:
        for _ in range(3):
            assert client.request("GET /mounted/x HTTP/1.1", "Host: h", *fields).status == 200
    expected = [
        ("x-script-name", "/a"),
        ("x-script-name", "/b"),
        ("cf-connecting-ip", "192.0.2.1"),
        ("remote-user", "gateway"),
    ]
    assert [
        [field for field in request.fields if field[0] in {name for name, _ in expected}]
        for request in upstream.requests
    ] == [expected] * 3
    assert [request.get("x-host") for request in upstream.requests] == [None] * 3


def test_the_docs_list_every_spoofable_header() -> None:
    page = (ROOT / "docs" / "headers.md").read_text(encoding="utf-8").lower()
    names = [*SPOOFABLE_NAMES, *(f"{prefix}*" for prefix in SPOOFABLE_PREFIXES)]
    assert [name for name in names if f"`{name}`" not in page] == []
