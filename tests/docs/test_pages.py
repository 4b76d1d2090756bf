"""Every page of docs/ is short, says whom it is for, and links only to what exists."""

import re
from pathlib import Path

import pytest

from tests.docs.code_blocks import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MAX_LINES = 250
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)")


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def without_code(document: Path) -> str:
    return re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_is_short_and_begins_with_whom_it_is_for(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    assert lines[0].startswith("# ")
    assert re.match("For ", lines[2])


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for path, anchor in LINK.findall(without_code(document)):
        target = document.parent / path if path else document
        assert target.exists(), f"there is no {path}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{path} has no heading #{anchor}"


def test_the_readme_links_to_every_page() -> None:
    linked = {path for path, _ in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {name(page) for page in PAGES} <= linked


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    """A path in backticks that begins with a folder of the project exists, except what commands build."""
    folders = {folder.name for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")}
    for path in re.findall(r"`([\w.-]+/[\w./-]*)`", without_code(document)):
        if path.split("/")[0] in folders and not path.startswith(("build/", "client/dist/")):
            assert (ROOT / path).exists(), f"there is no {path}"


def test_the_index_of_decisions_has_the_title_of_each_page() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[\d{4}\]\(([^)]+)\) \| (.+) \|$", index, re.MULTILINE))
    pages = sorted(folder.glob("0*.md"))
    titles = [page.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2] for page in pages]
    assert listed == dict(zip((page.name for page in pages), titles, strict=True))


def test_every_file_and_module_that_the_makefile_names_exists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in re.findall(r"\btests/[\w./]+", text):  # `make` itself creates node_modules
        assert path.endswith("node_modules") or (ROOT / path).exists(), f"there is no {path}"
    for module in re.findall(r"-m (tests\.[\w.]+|stack)", text):
        folder = ROOT / module.replace(".", "/")
        assert (folder / "__main__.py").exists() or folder.with_suffix(".py").exists(), f"there is no {module}"
