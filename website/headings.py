"""The anchors of headings, which are those of GitHub."""

import re


def anchor(heading: str, separator: str = "-") -> str:
    """Return the anchor of a heading. The arguments are those of Python-Markdown's `slugify`."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)
