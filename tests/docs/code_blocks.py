"""Read the code blocks of the documentation's pages."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def code_blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    """Return the code blocks of `page` (a path from the root) in these languages, each with its language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```({'|'.join(languages)})\n(.*?)```", text, re.DOTALL)


def code_block(page: str, language: str) -> str:
    """Return the first code block of `page` in this language. Raises IndexError if there is none."""
    return code_blocks(page, language)[0][1]
