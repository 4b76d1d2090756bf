"""The notes of a release: its section of CHANGELOG.md."""

import re


class NoSection(Exception):
    """CHANGELOG.md has no section for the version."""


def release_notes(changelog: str, version: str) -> str:
    """Return the section of `version` in the text of a CHANGELOG, with its heading. Raises NoSection."""
    sections = re.split(r"^(?=## \[)", changelog, flags=re.MULTILINE)
    for section in sections[1:]:
        if section.startswith(f"## [{version}]"):
            return section.rstrip() + "\n"
    raise NoSection(f"CHANGELOG.md has no section for {version}: add `## [{version}] - YYYY-MM-DD`")
