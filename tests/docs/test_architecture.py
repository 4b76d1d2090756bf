"""The architecture pages list every folder and module of the gateway and the auth service, in order, and no other."""

import re
from pathlib import Path

from tests.docs.code_blocks import ROOT

PACKAGES = ("gateway", "auth_service")
PAGES = (
    "architecture.md",
    "architecture-gateway-2.md",
    "architecture-auth-service.md",
    "architecture-auth-service-2.md",
)
WITHOUT_LINE = {"__init__.py"}


def modules(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.py") if file.name not in WITHOUT_LINE)


def listing() -> dict[str, list[str]]:
    """Return the modules of each folder that is a package, in the order of a listing."""
    folders = [folder for name in PACKAGES for folder in (ROOT / name, *sorted((ROOT / name).rglob("*/")))]
    return {
        f"{folder.relative_to(ROOT)}/": modules(folder) for folder in folders if (folder / "__init__.py").exists()
    }


def described_modules() -> dict[str, list[str]]:
    """Return the modules that the pages describe, by the folder of the heading, in the pages' order."""
    found: dict[str, list[str]] = {}
    text = "\n".join((ROOT / "docs" / file).read_text(encoding="utf-8") for file in PAGES)
    for line in text.splitlines():
        if heading := re.match(r"##+ `([\w/]+/)`", line):
            found[heading[1]] = []
        elif item := re.match(r"- `(\w+\.py)`: \S", line):
            list(found.values())[-1].append(item[1])
    return found


def test_the_pages_have_a_section_for_each_folder_in_the_order_of_the_listing() -> None:
    assert list(described_modules()) == list(listing())


def test_each_section_has_a_line_for_each_module_in_the_order_of_the_listing() -> None:
    described = described_modules()
    for folder, files in listing().items():
        assert described.get(folder) == files, f"docs/architecture*.md, section {folder}"
