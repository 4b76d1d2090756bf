"""An invalid query string is answered 400 with the names of the invalid parameters."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.resource_service.callers import Caller


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=", "page"),
        ("page=1.5", "page"),
        ("page=x", "page"),
        ("page=%EF%BC%91", "page"),
        ("page=1000001", "page"),
        ("page=" + "9" * 4000, "page"),
        ("page=1&page=2", "page"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=+5", "page_size"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
        ("q=%FF", "q"),
        ("q=%ED%A0%80", "q"),
        ("q=a&q=b", "q"),
        ("owner=" + "x" * 256, "owner"),
        ("owner=a%00", "owner"),
        ("owner=%C3", "owner"),
    ],
)
@pytest.mark.parametrize("path", ["/api/notes/", "/api/notes/export"])
def test_an_invalid_parameter_is_named(staff: Caller, path: str, query: str, name: str) -> None:
    """Page 1000001, page size 101, 201 letters in `q` and 256 in `owner` exceed the maximum by one.

    `%EF%BC%91` is a full-width 1.
    """
    response = staff.get(f"{path}?{query}")
    assert (response.status_code, response.get_json()["code"]) == (400, "invalid_fields")
    assert list(response.get_json()["errors"]) == [name]


def test_all_invalid_parameters_are_named_and_unknown_ones_ignored(ada: Caller) -> None:
    response = ada.get("/api/notes/?page=x&page_size=y&utm_source=%FF")
    assert set(response.get_json()["errors"]) == {"page", "page_size"}
    assert ada.get("/api/notes/?utm_source=%FF&utm_source=x").status_code == 200


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(query=st.text(st.sampled_from("pageqownr_siz=&%0123456789abcdefF+;*\\'\"<>é"), max_size=80))
def test_no_query_string_causes_a_5xx(staff: Caller, query: str) -> None:
    for path in ("/api/notes/", "/api/notes/export"):
        assert staff.get(f"{path}?{query}").status_code in (200, 400)
