"""Fields whose names a service could know by a plain name: withheld, counted, named by routes (R25, R27, R35)."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.observability.metrics import Metrics
from gateway.routing.errors import RoutesError
from gateway.routing.loader import parse_routes
from tests.gateway.conftest import ROUTES, MakeApp
from tests.gateway.http.test_headers import ODD, SPOOFING
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running


@pytest.mark.parametrize("path", ["/public/", "/api/", "/auth/", "/ws/", "/stripped/deep/"])
def test_a_spoofed_identity_in_any_spelling_reaches_no_service(
    gateway: RunningGateway, upstream: RawUpstream, auth_upstream: RawUpstream, token: str, path: str
) -> None:
    """Thrice, since what came before goes a shorter way; and the request itself passes."""
    forged = [f"{name.title()}: forged" for name in (*SPOOFING, *ODD)]
    with gateway.connect() as client:
        for _ in range(3):
            lines = (f"GET {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {token}", *forged)
            assert client.ask(*lines).status == 200
    asked = auth_upstream if path == "/auth/" else upstream
    requests = [request for request in asked.requests if request.request_line.startswith("GET /")]
    assert len(requests) >= 3
    assert [name for request in requests for name, value in request.fields if value == "forged"] == []


def test_a_route_lets_through_the_names_that_it_lists(
    make_app: MakeApp, upstream: RawUpstream, tmp_path: Path
) -> None:
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
            assert client.ask("GET /traced/x HTTP/1.1", "Host: h", *fields[:4]).status == 200
        assert client.ask("GET /traced/x HTTP/1.1", "Host: h", *fields).status == 200
    names = [[name for name, _ in request.fields if "_" in name or "." in name] for request in upstream.requests]
    assert names == [["sentry_trace", "x.trace.id"]] * 3 + [["sentry_trace"]]


@pytest.mark.parametrize(
    ("listed", "fixed", "complaint"),
    [
        ("X_User_Id", "", "must be the name of a field that the gateway does not say itself, in any spelling"),
        ("x.forwarded.for", "", "must be the name of a field that the gateway does not say itself, in any spelling"),
        ("Content_Length", "", "must be the name of a field that the gateway does not say itself, in any spelling"),
        ("a b", "", "must be the name of a field that the gateway does not say itself, in any spelling"),
        ("X_Tenant", "X-Tenant", "holds X_Tenant, which a service could take for a field of request_headers"),
        ("x.tenant", "X-Tenant", "holds x.tenant, which a service could take for a field of request_headers"),
    ],
)
def test_no_route_can_list_a_spelling_of_what_the_gateway_or_it_says(
    tmp_path: Path, listed: str, fixed: str, complaint: str
) -> None:
    text = (
        '[upstreams.notes]\nurls = ["http://h:1"]\nidentity = false\n'
        '[[routes]]\nprefix = "/a/"\nupstream = "notes"\naccess = "public"\n'
        f'forward_headers = ["{listed}"]\n' + (f'request_headers = {{ "{fixed}" = "acme" }}\n' if fixed else "")
    )
    with pytest.raises(RoutesError, match=complaint):
        parse_routes(text, environ={}, data_dir=tmp_path)


def test_what_is_withheld_is_counted_and_named_once_in_the_log(
    make_app: MakeApp, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name alone: a value may be a secret."""
    counted: list[int] = []
    monkeypatch.setattr(Metrics, "count_withheld_fields", lambda _, fields: counted.append(fields))
    with capture_logs() as lines, running(make_app()) as gateway, gateway.connect() as client:
        for number in range(3):
            fields = ("Once_Logged_Name: secret", "Once_Logged_Name: again", f"X-Number: {number}")
            assert client.ask("GET /public/ HTTP/1.1", "Host: h", *fields).status == 200
    noticed = [line for line in lines if line["event"] == "request_field_withheld"]
    assert [line["name"] for line in noticed if "logged" in line["name"]] == ["once_logged_name"]
    assert "secret" not in str(lines)
    assert [count for count in counted if count] == [2, 2, 2]


def test_fields_of_an_answer_pass_under_any_name(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(answering(ok(b"ok", "X_Trace: 1", "x.trace.id: 2", "X_User_Id: leaked")))
    with gateway.connect() as client:
        for _ in range(3):
            answer = client.ask("GET /public/ HTTP/1.1", "Host: h")
            assert (answer.get("x_trace"), answer.get("x.trace.id"), answer.get("x_user_id")) == ("1", "2", None)
