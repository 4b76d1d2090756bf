"""Accessibility of a page in Chromium, by axe-core, in both colour schemes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
ALL_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOUR_RULES = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules whose result depends on the colour scheme."""
_RUN_AXE = """async rules => {
  const found = await axe.run(document, {runOnly: rules, resultTypes: ["violations"]});
  return found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html).join(" "));
}"""
_DIFFERS = re.compile(r'value="[^"]*"|[\w.+-]+@[\w.-]+|[?&](?:uid|token)=[\w-]+')
"""What differs between two visits of a page, and has no effect on its accessibility."""

Shown = Callable[[str], None]
"""Called for each colour scheme, `dark` and `light`, after the page has it."""


def violations(page: Page, shown: Shown = lambda scheme: None) -> list[tuple[str, Any]]:
    """Return what axe finds, with the colour scheme. The page keeps the scheme `light`.

    The rules that do not depend on colours run in one scheme: a run of all takes up to a second.
    """
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[tuple[str, Any]] = []
    for scheme, rules in (("dark", COLOUR_RULES), ("light", ALL_RULES)):
        page.emulate_media(color_scheme=scheme)
        shown(scheme)
        found += [(scheme, one) for one in page.evaluate(_RUN_AXE, rules)]
    return found


class CheckedPages:
    """The pages that were checked, so that each is checked once in a run."""

    def __init__(self) -> None:
        self._checked: set[tuple[object, ...]] = set()

    def add(self, page: Page) -> bool:
        """Add the page as it is now. Return whether it is new; entered values and addresses make no difference."""
        key = (page.viewport_size and page.viewport_size["width"], _DIFFERS.sub("", page.content()))
        is_new = key not in self._checked
        self._checked.add(key)
        return is_new
