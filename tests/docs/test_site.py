"""The site of the documentation has every page, in one place of its navigation, and reads Markdown as GitHub does."""

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.code_blocks import ROOT
from website.headings import anchor
from website.links import linked_files, repository_path, site_markdown, site_path
from website.navigation import expand, pages_of

SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
SITE_PAGES = pages_of(expand(SETTINGS["nav"], ROOT / "docs"))
SOURCES = [ROOT / repository_path(page) for page in SITE_PAGES]


def name(source: Path) -> str:
    return str(source.relative_to(ROOT))


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert not set(pages) - set(SITE_PAGES), "mkdocs.yml: add these pages to `nav`"
    assert sorted(SITE_PAGES) == sorted(set(SITE_PAGES))
    for source in SOURCES:
        assert source.is_file(), f"mkdocs.yml: there is no {name(source)}"


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_every_page_to_which_a_page_links_is_in_the_navigation(source: Path) -> None:
    linked = linked_files(name(source), source.read_text(encoding="utf-8"))
    for path in linked:
        assert (ROOT / path).is_file(), f"{path} is not a file"
        assert not path.endswith(".md") or site_path(path) in SITE_PAGES, (
            f"mkdocs.yml: add {site_path(path)} to `nav`"
        )


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_lists_and_tables_are_read_alike(source: Path) -> None:
    """Python-Markdown needs an empty line before a list or table, and four spaces before an inner list."""
    before, fenced = "", False
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            place = f"{name(source)}:{number}"
            is_item, was_item = (bool(re.match(r"\s*([-*]|\d+\.) ", text)) for text in (line, before))
            starts = is_item and not was_item and before and not before.startswith(" ")
            assert not starts, f"{place}: begin a list after an empty line"
            assert not re.match(r" {1,3}([-*]|\d+\.) ", line), f"{place}: indent an inner list by four spaces"
            after_text = before and not before.startswith(("|", "#"))
            assert not (line.startswith("|") and after_text), f"{place}: begin a table after an empty line"
        before = line


def test_links_lead_to_where_the_site_has_the_file() -> None:
    text = "[a](api.md#users) [b](../README.md) [c](https://example.org/x.md) [d](#here)\n```\n[e](../x.md)\n```\n"
    assert site_markdown("docs/mail.md", text) == text.replace("../README.md", "project/README.md")
    assert site_markdown("docs/clients/fetch.md", "[a](../mail.md) [b](../../openapi.yaml)") == (
        "[a](../mail.md) [b](../project/openapi.yaml)"
    )
    assert (
        site_markdown("CONTRIBUTING.md", "[a](docs/mail.md#links) [b](LICENSE)")
        == "[a](../mail.md#links) [b](LICENSE)"
    )


def test_anchors_are_those_of_github() -> None:
    assert anchor("Tokens of `Django`, and more!") == "tokens-of-django-and-more"
    assert anchor("1. The service (10 minutes)") == "1-the-service-10-minutes"
