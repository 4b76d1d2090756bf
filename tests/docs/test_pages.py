"""Every page of docs/ and every README is short, says whom it is for, and links only to what exists."""

import re
from pathlib import Path

import pytest

from tests.docs.code_blocks import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
CLIENT_PAGES = sorted((ROOT / "docs" / "clients").glob("*.md"))
PACKAGES = [*sorted((ROOT / "packages").glob("*/")), ROOT / "client" / "packages" / "client"]
"""The folders of the packages that users install. Their READMEs are their pages at PyPI and npm."""
READMES = [ROOT / "client" / "README.md", *(package / "README.md" for package in PACKAGES)]
NAMING_FROM_ROOT = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [*NAMING_FROM_ROOT, *READMES]
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


@pytest.mark.parametrize("page", [*PAGES, *CLIENT_PAGES, *READMES], ids=name)
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


def test_the_index_of_clients_links_to_every_page_about_clients() -> None:
    index = ROOT / "docs" / "clients" / "README.md"
    linked = {path for path, _ in LINK.findall(index.read_text(encoding="utf-8"))}
    assert {page.name for page in CLIENT_PAGES if page != index} <= linked


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_a_package_has_the_licence_and_a_readme_that_needs_no_other_file(package: Path) -> None:
    assert (package / "LICENSE").read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    readme = package / "README.md"
    assert not [path for path, _ in LINK.findall(without_code(readme)) if path]
    assert readme.read_text(encoding="utf-8").endswith("\nMIT licence.\n")


@pytest.mark.parametrize("document", NAMING_FROM_ROOT, ids=name)
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


def test_the_contributors_guide_names_every_target_of_the_makefile_that_tests_or_measures() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    operation = {"help", "run", "up", "down", "update", "doctor", "reload", "grant", "auth", "rotate", "secrets"}
    operation |= {"tour", "docs-serve"}
    assert targets - operation == set(re.findall(r"`make ([a-z-]+)", guide)) - operation


def test_every_file_and_module_that_the_makefile_names_exists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in re.findall(r"\btests/[\w./]+", text):  # `make` itself creates node_modules
        assert path.endswith("node_modules") or (ROOT / path).exists(), f"there is no {path}"
    for module in re.findall(r"-m (tests\.[\w.]+|stack)", text):
        folder = ROOT / module.replace(".", "/")
        assert (folder / "__main__.py").exists() or folder.with_suffix(".py").exists(), f"there is no {module}"
