"""Header fields whose names have characters other than letters, digits and `-`: routes must list them by name.

A CGI or WSGI service maps such a name, an alias, to the same variable as a plain one: X_User_Id is read as X-User-Id.
"""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.observability.metrics import Metrics
from gateway.routing.errors import RoutesError
from gateway.routing.loader import parse_routes
from tests.gateway.conftest import ROUTES, MakeApp
from tests.gateway.http.header_names import ALIASES, NOT_PLAIN
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

NOT_SETTABLE = "must be a header name that the gateway does not set itself"


@pytest.mark.parametrize("path", ["/public/", "/api/", "/auth/", "/ws/", "/stripped/deep/"])
def test_a_spoofed_identity_in_any_spelling_reaches_no_service(
    gateway: RunningGateway, upstream: RawUpstream, auth_upstream: RawUpstream, token: str, path: str
) -> None:
    """The request itself is forwarded. It is sent three times, so that the request head cache is used."""
    forged = [f"{name.title()}: forged" for name in (*ALIASES, *NOT_PLAIN)]
    with gateway.connect() as client:
        for _ in range(3):
            lines = (f"GET {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {token}", *forged)
            assert client.request(*lines).status == 200
    service = auth_upstream if path == "/auth/" else upstream
    requests = [request for request in service.requests if request.request_line.startswith("GET /")]
    assert len(requests) >= 3
    assert [name for request in requests for name, value in request.fields if value == "forged"] == []


def test_a_route_forwards_the_names_that_it_lists(make_app: MakeApp, upstream: RawUpstream, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    route = '[[routes]]\nprefix = "/traced/"\nupstream = "notes"\naccess = "public"\n'
    file.write_text(ROUTES + route + 'forward_headers = ["sentry_trace", "X.Trace.Id"]\n')
    fields = (
        "Sentry_Trace: 1",
        "x.trace.id: 2",
        "sentry.trace: 3",
        "X_Identity: forged",
        "Connection: x.trace.id, te",
    )
    with running(make_app(GATEWAY_ROUTES=str(file))) as gateway, gateway.connect() as client:
        for _ in range(3):
            assert client.request("GET /traced/x HTTP/1.1", "Host: h", *fields[:4]).status == 200
        assert client.request("GET /traced/x HTTP/1.1", "Host: h", *fields).status == 200
    names = [[name for name, _ in request.fields if "_" in name or "." in name] for request in upstream.requests]
    assert names == [["sentry_trace", "x.trace.id"]] * 3 + [["sentry_trace"]]


@pytest.mark.parametrize(
    ("listed", "fixed", "error"),
    [
        ("X_User_Id", "", NOT_SETTABLE),
        ("x.forwarded.for", "", NOT_SETTABLE),
        ("Content_Length", "", NOT_SETTABLE),
        ("a b", "", NOT_SETTABLE),
        ("X_Tenant", "X-Tenant", "contains X_Tenant, which a service could mistake for a field of request_headers"),
        ("x.tenant", "X-Tenant", "contains x.tenant, which a service could mistake for a field of request_headers"),
    ],
)
def test_no_route_can_list_an_alias_of_a_field_that_the_gateway_or_the_route_sets(
    tmp_path: Path, listed: str, fixed: str, error: str
) -> None:
    text = (
        '[upstreams.notes]\nurls = ["http://h:1"]\nidentity = false\n'
        '[[routes]]\nprefix = "/a/"\nupstream = "notes"\naccess = "public"\n'
        f'forward_headers = ["{listed}"]\n' + (f'request_headers = {{ "{fixed}" = "acme" }}\n' if fixed else "")
    )
    with pytest.raises(RoutesError, match=error):
        parse_routes(text, environ={}, data_dir=tmp_path)


def test_a_field_that_is_not_forwarded_is_counted_and_its_name_is_logged_once(
    make_app: MakeApp, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value is not logged, because it may be a secret."""
    counts: list[int] = []
    monkeypatch.setattr(Metrics, "count_withheld_fields", lambda _, fields: counts.append(fields))
    with capture_logs() as lines, running(make_app()) as gateway, gateway.connect() as client:
        for number in range(3):
            fields = ("Once_Logged_Name: secret", "Once_Logged_Name: again", f"X-Number: {number}")
            assert client.request("GET /public/ HTTP/1.1", "Host: h", *fields).status == 200
    assert [count for count in counts if count] == [2, 2, 2]
    logged = [line["name"] for line in lines if line["event"] == "request_field_withheld"]
    assert [name for name in logged if "logged" in name] == ["once_logged_name"]
    assert "secret" not in str(lines)


def test_response_fields_whose_names_are_not_plain_reach_the_client(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """An alias of a field that the gateway drops is dropped as well."""
    upstream.begin(answering(ok(b"ok", "X_Trace: 1", "x.trace.id: 2", "X_User_Id: leaked")))
    with gateway.connect() as client:
        for _ in range(3):
            response = client.request("GET /public/ HTTP/1.1", "Host: h")
            assert [response.get(name) for name in ("x_trace", "x.trace.id", "x_user_id")] == ["1", "2", None]
