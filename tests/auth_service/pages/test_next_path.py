"""Where a page may lead after a log-in: to paths of its own origin only."""

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.page_templates.next_path import MAX_NEXT, next_query, safe_next

OWN = [
    "/",
    "/d/abc?orgId=1&from=now-6h",
    "/auth/account/",
    "/a;b=1/c",
    "/search?q=a%2Fb%5Cc&u=https://example.org//x",
    "/caf%C3%A9#panel",
    "/~ann/@x:y",
    "/" + "a" * (MAX_NEXT - 1),
]
FOREIGN = [
    None,
    "",
    "d/abc",
    "https://evil.example/",
    "HTTPS:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/a\\b",
    "/a//evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "/..",
    "/a/../b",
    "/a/..;/b",
    "/%2e%2e/b",
    "/%2F/evil.example",
    "/%2fevil.example",
    "/%5Cevil.example",
    "/%5c%5cevil.example",
    "/%252Fevil.example",
    "/%255Cevil.example",
    "/%09/evil.example",
    "/%0D%0ALocation:%20https://evil.example",
    "/%00",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/a\0",
    "/\x7f",
    "/\u2028",
    "/\uff0fevil.example",
    "/é",
    "/" + "a" * MAX_NEXT,
]


@pytest.mark.parametrize("path", OWN)
def test_a_path_of_the_own_origin_is_kept(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize("text", FOREIGN, ids=ascii)
def test_anything_else_is_refused(text: str | None) -> None:
    assert safe_next(text) is None


@given(st.text(alphabet="/\\.%25cfF09aA:?#@;\t\n ", max_size=12))
def test_no_accepted_path_leads_to_another_host(text: str) -> None:
    """Neither by the rules of RFC 3986 nor in a browser, which drops tabs and line ends and reads `\\` as `/`."""
    path = safe_next("/" + text)
    if path is not None:
        for read in (path, path.translate({9: None, 10: None, 13: None}).replace("\\", "/")):
            assert urlsplit(urljoin("https://own.example/auth/login/", read))[:2] == ("https", "own.example")


@pytest.mark.parametrize("path", OWN)
def test_the_query_carries_the_path_unchanged(path: str) -> None:
    assert parse_qs(next_query(path).removeprefix("?")) == {"next": [path]}


def test_without_a_path_there_is_no_query() -> None:
    assert next_query(None) == ""
