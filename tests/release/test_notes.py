"""The notes of a release are its section of the CHANGELOG."""

import pytest

from release.notes import NoSection, release_notes
from release.version import ROOT, release_version

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Coming.

## [1.1.0] - 2026-03-01

### Added

- Notes. [1.0.0] is older.

## [1.0.0] - 2026-02-01

Text.
"""


def test_the_notes_are_the_section_of_the_version() -> None:
    assert release_notes(CHANGELOG, "1.1.0") == "## [1.1.0] - 2026-03-01\n\n### Added\n\n- Notes. [1.0.0] is older.\n"
    assert release_notes(CHANGELOG, "1.0.0") == "## [1.0.0] - 2026-02-01\n\nText.\n"


@pytest.mark.parametrize("version", ["2.0.0", "1.0", "1.1.0-rc1"])
def test_a_version_without_a_section_has_no_notes(version: str) -> None:
    with pytest.raises(NoSection, match="add `## "):
        release_notes(CHANGELOG, version)


def test_this_release_has_notes_and_says_how_to_upgrade() -> None:
    notes = release_notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), release_version())
    assert "docs/upgrade.md" in notes
    assert "### Added" in notes
