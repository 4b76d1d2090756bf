"""Documents of upstreams are joined with the gateway's own, as far as routes let clients through."""

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.api_description.joined_document import join
from gateway.api_description.upstream_documents import UnusableDocument, usable_document
from gateway.routing.loader import load_routes
from gateway.routing.routes import RouteTable
from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.routes_toml import limits, route_table, routes_toml, upstream_table

OWN: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Gateway", "version": "1"},
    "tags": [],
    "paths": {},
    "components": {
        "schemas": {"ProblemDetails": {"type": "object"}},
        "securitySchemes": {
            "accessToken": {"type": "http", "scheme": "bearer"},
            "refreshToken": {"type": "apiKey", "in": "header", "name": "X-Refresh-Token"},
            "sessionCookie": {"type": "apiKey", "in": "cookie", "name": "session"},
            "requestedWith": {"type": "apiKey", "in": "header", "name": "X-Requested-With"},
        },
    },
}
OK = {"200": {"description": "OK"}}


def document(paths: dict[str, Any], **components: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Service", "version": "1"},
        "paths": paths,
        "components": components,
    }


@pytest.fixture
def table(tmp_path: Path) -> RouteTable:
    file = tmp_path / "routes.toml"
    file.write_text(
        routes_toml(
            upstream_table("reports", identity_secret_env="SECRET"),
            upstream_table("shop", identity_secret_env="SECRET"),
            route_table("/reports/", upstream="reports", strip_prefix=True, methods=["GET"]),
            route_table("/v1/", upstream="reports", replace_prefix="/old/", access="public"),
            route_table("/shop/", ["buyer"], upstream="shop", limits=limits(address="5/hour")),
        )
    )
    environ = {"RESOURCE_URL": "http://127.0.0.1:1", "SECRET": IDENTITY_SECRET}
    return load_routes(file, environ=environ, data_dir=tmp_path)


def test_paths_are_those_that_clients_see(table: RouteTable) -> None:
    """A removed prefix is put in front again, a replaced one is put back; other paths and methods are left out."""
    paths = {
        "/daily/{day}": {"get": {"responses": OK}, "delete": {"responses": OK}},
        "/old/list": {"get": {"responses": OK}},
        "/older": {"post": {"responses": OK}},
    }
    joined = join(OWN, {"reports": document(paths)}, table)
    assert {path: list(item) for path, item in joined["paths"].items()} == {
        "/reports/daily/{day}": ["get"],
        "/reports/old/list": ["get"],
        "/v1/list": ["get"],
    }


def test_component_names_of_two_services_do_not_collide(table: RouteTable) -> None:
    """Each service keeps its own component, and its references follow, also those within components."""

    def of(kind: str) -> dict[str, Any]:
        node = {"type": "object", "properties": {"value": {"type": kind}, "next": {"$ref": "#/components/schemas/A"}}}
        reference = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
        path = "/daily" if kind == "string" else "/shop/list"
        return document(
            {path: {"get": {"responses": {"200": {"description": "", **reference}}}}}, schemas={"A": node}
        )

    joined = join(OWN, {"reports": of("string"), "shop": of("integer")}, table)
    validate(joined)
    schemas = joined["components"]["schemas"]
    assert schemas["reports.A"]["properties"]["value"] == {"type": "string"}
    assert schemas["shop.A"]["properties"]["next"] == {"$ref": "#/components/schemas/shop.A"}


def test_the_gateway_says_how_a_client_authenticates_and_what_it_answers_itself(table: RouteTable) -> None:
    """`security` of the service is replaced by that of the route, and the errors depend on the route."""
    operation = {"responses": OK, "security": [{"ownScheme": []}]}
    documents = {
        "shop": document({"/shop/list": {"get": operation, "post": operation}}),
        "reports": document({"/old/list": {"get": {"responses": OK}}}),
    }
    joined = join(OWN, documents, table)
    validate(joined)
    shop = joined["paths"]["/shop/list"]
    assert {"accessToken": []} in shop["get"]["security"]
    assert {"sessionCookie": [], "requestedWith": []} in shop["post"]["security"]
    assert {"401", "403", "429", "502", "503", "504"} <= shop["get"]["responses"].keys()
    public = joined["paths"]["/v1/list"]["get"]
    assert public["security"] == []
    assert {"401", "429"}.isdisjoint(public["responses"])


def test_a_service_cannot_replace_operations_or_operation_ids_of_others(table: RouteTable) -> None:
    """An operation that is there already stays, and an operationId that is taken gets another name."""
    operation = {"operationId": "list", "responses": OK}
    documents = {
        "reports": document({"/daily": {"get": operation}, "/old/x": {"post": {"operationId": [], "responses": OK}}}),
        "shop": document({"/shop/list": {"get": operation}, "/reports/daily": {"get": operation}}),
    }
    joined = join(OWN, documents, table)
    validate(joined)
    assert joined["paths"]["/reports/daily"]["get"]["operationId"] == "list"
    assert joined["paths"]["/shop/list"]["get"]["operationId"] == "shop_list"


@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/Missing", "https://evil.example/schema.json", "#/paths/~1daily", "#/components/schemas/"],
)
def test_an_operation_with_a_broken_or_foreign_reference_is_left_out(table: RouteTable, reference: str) -> None:
    """The rest of the service's operations stays, and the document is valid."""
    broken = {"content": {"application/json": {"schema": {"items": {"$ref": reference}}}}, "description": ""}
    paths = {"/daily": {"get": {"responses": {"200": broken}}}, "/weekly": {"get": {"responses": OK}}}
    joined = join(OWN, {"reports": document(paths)}, table)
    validate(joined)
    assert list(joined["paths"]) == ["/reports/weekly"]


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        {"get": None},
        {"get": {}},
        {"get": {"responses": []}},
        {"get": {"responses": {"200": None}}},
        {"get": {"responses": OK, "parameters": [1]}},
        {"get": {"responses": OK, "requestBody": {"$ref": "#/components/responses/No"}}},
    ],
)
def test_a_malformed_operation_is_left_out(table: RouteTable, item: object) -> None:
    """Whatever a service sends, the document stays valid."""
    joined = join(OWN, {"reports": document({"/daily": item, "/weekly": {"get": {"responses": OK}}})}, table)
    validate(joined)
    assert list(joined["paths"]) == ["/reports/weekly"]


@pytest.mark.parametrize(
    "member",
    [
        {"summary": 5},
        {"description": ["text"]},
        {"deprecated": "yes"},
        {"externalDocs": {}},
        {"requestBody": {}},
        {"requestBody": {"content": {"text/csv": {"schema": "text"}}}},
        {"parameters": [{"name": "day"}]},
        {"parameters": [{"name": "day", "in": "query"}]},
        {"parameters": [{"name": "day", "in": "body", "schema": {}}]},
        {"responses": {"200": {"description": "", "content": []}}},
        {"responses": {"400": {"description": 5}}},
        {"responses": {"200": {"description": "", "headers": {"X-Count": 5}}}},
        {"responses": {"200": {"$ref": "#/components/responses/Itself"}}},
    ],
)
def test_a_member_of_the_wrong_type_leaves_the_operation_out(table: RouteTable, member: dict[str, Any]) -> None:
    """The reason is reported, and the document with the other operations is valid."""
    paths = {"/daily": {"get": {"responses": OK, **member}}, "/weekly": {"get": {"responses": OK}}}
    itself = {"Itself": {"$ref": "#/components/responses/Itself"}}
    left_out: list[tuple[str, str, str]] = []
    service = document(paths, responses=itself)
    joined = join(OWN, {"reports": service}, table, lambda *reported: left_out.append(reported))
    validate(joined)
    assert list(joined["paths"]) == ["/reports/weekly"]
    assert [reported[:2] for reported in left_out] == [("reports", "GET /daily")]


@pytest.mark.parametrize(
    "item",
    [
        {"responses": {**OK, "x-note": "text", "999": {}, "2XX": {}}},
        {"responses": OK, "parameters": [{"name": "other", "in": "path", "schema": {}}]},
        {"responses": OK, "tags": "reports", "callbacks": 5, "servers": 5, "operationId": "a b"},
        {"responses": {"200": {"description": "", "links": {"next": {"$ref": "#/components/links/Missing"}}}}},
        {"responses": OK, "requestBody": {"content": {"application/json": {"example": {"$ref": "#/no"}}}}},
        {"responses": OK, "requestBody": {"content": {"application/json": {"schema": {"default": {"$ref": "x"}}}}}},
    ],
)
def test_what_openapi_does_not_know_is_left_out_of_an_operation(table: RouteTable, item: dict[str, Any]) -> None:
    """The operation stays, and the document is valid. `$ref` in an example is data."""
    joined = join(OWN, {"reports": document({"/daily/{day}": {"get": item}})}, table)
    validate(joined)
    (parameter,) = joined["paths"]["/reports/daily/{day}"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"]) == ("day", "path")


@pytest.mark.parametrize("path", ["/a b", "/{day", "/a?b", "/a#b", "/a\r\nb", "/{}"])
def test_a_path_that_is_no_template_is_left_out(table: RouteTable, path: str) -> None:
    """The document with the other operations is valid."""
    joined = join(OWN, {"reports": document({path: {"get": {"responses": OK}}})}, table)
    validate(joined)
    assert not joined["paths"]


def _referring(name: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    return {"get": {"responses": {"200": {"description": "", "content": {"application/json": schema}}}}}


def test_models_may_refer_to_each_other_in_a_chain_of_any_length(table: RouteTable) -> None:
    """An application with hundreds of models that refer to each other keeps all of its operations."""
    count = 500
    schemas = {
        f"M{number}": {"properties": {"next": {"$ref": f"#/components/schemas/M{(number + 1) % count}"}}}
        for number in range(count)
    }
    joined = join(OWN, {"reports": document({"/daily": _referring("M0")}, schemas=schemas)}, table)
    assert len(joined["components"]["schemas"]) == count + 1


def test_a_model_of_a_cycle_with_a_broken_reference_is_in_no_operation(table: RouteTable) -> None:
    """Neither the operation that refers to the broken model nor one that needs it through others stays."""
    schemas = {
        "A": {"properties": {"b": {"$ref": "#/components/schemas/B"}, "z": {"$ref": "#/components/schemas/Z"}}},
        "B": {"properties": {"a": {"$ref": "#/components/schemas/A"}}},
    }
    paths = {"/daily": _referring("A"), "/weekly": _referring("B"), "/yearly": {"get": {"responses": OK}}}
    joined = join(OWN, {"reports": document(paths, schemas=schemas)}, table)
    validate(joined)
    assert list(joined["paths"]) == ["/reports/yearly"]


def test_names_of_components_are_made_valid(table: RouteTable) -> None:
    """Names such as those of generic types in Java get other characters, and stay different."""
    schemas = {"Page«Item»": {"type": "string"}, "Page<Item>": {"type": "integer"}}
    paths = {"/daily": _referring("Page«Item»"), "/weekly": _referring("Page%3CItem%3E")}
    joined = join(OWN, {"reports": document(paths, schemas=schemas)}, table)
    validate(joined)
    assert joined["components"]["schemas"]["reports.Page_Item_"] == {"type": "string"}
    assert joined["components"]["schemas"]["reports.Page_Item__"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "not an OpenAPI document"),
        (b'{"openapi": "3.1.0", "paths": []}', "not an OpenAPI document"),
        (b'{"openapi": "3.0.3", "paths": {}}', "3.0.3"),
        (b"[" * 100_000, "not JSON"),
        (b'{"openapi": "3.1.0", "paths": {}, "x": NaN}', "not JSON"),
    ],
)
def test_a_body_that_is_no_document_is_refused(body: bytes, reason: str) -> None:
    """The reason is logged."""
    with pytest.raises(UnusableDocument, match=reason):
        usable_document(body)
