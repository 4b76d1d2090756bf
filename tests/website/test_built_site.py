"""The built site needs no other host, all of its links lead somewhere, and its search knows every page."""

import json
import re

import pytest

from tests.docs.test_site import SITE_PAGES
from tests.website.built_site import SITE, Page, is_external, page, pages, target_of

NOT_FOUND = SITE / "404.html"
"""The page for unknown paths. Its links are relative to the root of the host."""
PAGES = [found for found in pages() if found.file != NOT_FOUND]


def name(found: Page) -> str:
    return str(found.file.relative_to(SITE))


def test_every_page_of_the_navigation_is_built() -> None:
    built = {name(found) for found in PAGES}
    expected = {
        re.sub(r"(^|/)README\.html$", r"\1index.html", path.removesuffix(".md") + ".html") for path in SITE_PAGES
    }
    assert expected == built


@pytest.mark.parametrize("found", PAGES, ids=name)
def test_a_page_loads_nothing_from_another_host(found: Page) -> None:
    assert found.loads
    assert not [url for url in found.loads if is_external(url)]
    for url in found.loads:
        assert target_of(found.file, url)[0].is_file(), f"there is no {url}"


def test_no_style_sheet_loads_anything_from_another_host() -> None:
    for file in SITE.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"@import|url\(\s*[\"']?(?:https?:)?//", text), file.name


@pytest.mark.parametrize("found", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file_and_an_element(found: Page) -> None:
    for url in found.links:
        if is_external(url):
            assert re.fullmatch(r"(https?://[\w.:\[\]-]+(/\S*)?|mailto:\S+@\S+)", url), url
            continue
        file, fragment = target_of(found.file, url)
        assert file.is_file(), f"there is no {url}"
        if fragment and file.suffix == ".html":
            assert fragment in page(file).ids or fragment == "__codelineno", f"{url}: there is no such heading"


def test_the_diagrams_have_the_library_that_draws_them() -> None:
    with_diagram = [found for found in PAGES if 'class="mermaid"' in found.file.read_text(encoding="utf-8")]
    assert with_diagram
    for found in PAGES:
        libraries = [url for url in found.loads if url.endswith("/mermaid.js") or url == "assets/mermaid.js"]
        assert len(libraries) == (found in with_diagram), name(found)


def test_the_search_knows_every_page_and_its_headings() -> None:
    index = json.loads((SITE / "search" / "search_index.json").read_text(encoding="utf-8"))
    locations = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {name(found) for found in PAGES} <= locations | {"index.html"}
    restore = [entry["location"] for entry in index["docs"] if "DATABASE_RESTORED_AT" in entry["text"]]
    assert any(location.startswith("backup.html#") for location in restore)
