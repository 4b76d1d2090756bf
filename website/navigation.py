"""The navigation in mkdocs.yml, in which an entry that ends with a slash stands for all pages of a folder."""

from pathlib import Path
from typing import TypeAlias, cast

Entries: TypeAlias = "list[str | dict[str, str | Entries]]"
"""Paths of pages, and sections with their entries, as MkDocs reads them."""


def expand(entries: Entries, docs: Path) -> Entries:
    """Return the entries with the pages of each folder in place of the folder: its README, then by name."""
    expanded: Entries = []
    for entry in entries:
        if isinstance(entry, dict):
            expanded.append({title: expand(cast(Entries, inner), docs) for title, inner in entry.items()})
        elif entry.endswith("/"):
            pages = sorted((docs / entry).glob("*.md"), key=lambda page: (page.name != "README.md", page.name))
            expanded += [entry + page.name for page in pages]
        else:
            expanded.append(entry)
    return expanded


def pages_of(entries: Entries) -> list[str]:
    """Return the paths of all pages in the entries, in their order."""
    pages: list[str] = []
    for entry in entries:
        if isinstance(entry, dict):
            for inner in entry.values():
                pages += pages_of(cast(Entries, inner))
        else:
            pages.append(entry)
    return pages
