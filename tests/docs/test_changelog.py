"""Every entry of the CHANGELOG is one line of at most twenty words."""

import re

from tests.docs.code_blocks import ROOT

LINES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
ENTRIES = [line for line in LINES if line.startswith("- ")]
MAX_WORDS = 20


def words(entry: str) -> list[str]:
    """Return the words of an entry, without its link to a page."""
    without_link = re.sub(r" \(\[[^\]]*\]\([^)]*\)\)", "", entry.removeprefix("- "))
    return without_link.split()


def test_an_entry_is_one_line() -> None:
    assert len(ENTRIES) > 100, "the entries are no longer found"
    assert not [line for line in LINES if line.startswith(" ")]


def test_an_entry_has_at_most_twenty_words() -> None:
    assert not [entry for entry in ENTRIES if len(words(entry)) > MAX_WORDS]


def test_entries_are_grouped() -> None:
    headings = [line.removeprefix("### ") for line in LINES if line.startswith("### ")]
    assert headings == ["Added", "Changed", "Fixed", "Security"]
