"""docs/doctor.md lists every check, with what it finds, in the order in which they are printed."""

import re

from doctor.registry.checks import CHECKS
from tests.doctor.planted import ROUTES

PAGE = ROUTES.parents[1] / "docs" / "doctor.md"


def test_the_page_lists_every_check() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z-]+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(check.name, check.finds) for check in CHECKS]
