"""Replace the measured parts of a page in docs/: the text between two marks."""

import re
from pathlib import Path


def replace_part(page: Path, mark: str, text: str) -> None:
    """Write `text` between the marks. Raises ValueError if the page does not have these marks once."""
    begin, end = f"<!-- begin: {mark} -->", f"<!-- end: {mark} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    written, times = pattern.subn(lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", page.read_text("utf-8"))
    if times != 1:
        raise ValueError(f"{page} has the marks of {mark!r} {times} times")
    page.write_text(written, "utf-8")
