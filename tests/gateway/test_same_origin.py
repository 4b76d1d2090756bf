"""A request that a cookie authenticates comes from a page of ours, or is refused. R44."""

import pytest

from contract.problems import Refused
from gateway.same_origin import check_same_origin

OURS = "https://app.example.com"
ALLOWED = frozenset({"capacitor://localhost"})


def check(method: str = "POST", **said: str | None) -> None:
    told = {"custom_header": "1", "origin": None, "fetch_site": None, "host": "app.example.com", **said}
    check_same_origin(method, allowed_origins=ALLOWED, **told)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_may_come_from_anywhere(method: str) -> None:
    check(method, custom_header=None, origin="https://evil.example")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "said",
    [
        {"origin": OURS},
        {"origin": "capacitor://localhost", "host": "gateway.example.com"},
        {"fetch_site": "same-origin"},
        {"origin": OURS, "fetch_site": "same-origin"},
    ],
)
def test_a_page_of_ours_may_change_things(method: str, said: dict[str, str]) -> None:
    check(method, **said)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"origin": OURS, "custom_header": None},
        {"origin": OURS, "custom_header": ""},
        {"fetch_site": "same-origin", "custom_header": None},
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "fetch_site": "same-origin"},
        {"origin": "https://app.example.com.evil.example"},
        {"origin": "https://app.example.com:444"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "://", "host": ""},
        {"origin": "https://", "host": None},
        {"fetch_site": "same-site"},
        {"fetch_site": "cross-site"},
        {"fetch_site": "none"},
    ],
)
def test_everything_else_may_not(method: str, said: dict[str, str | None]) -> None:
    with pytest.raises(Refused) as refused:
        check(method, **said)
    assert (refused.value.status, refused.value.code) == (403, "cross_site")
