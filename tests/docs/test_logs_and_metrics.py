"""docs/logs-and-metrics.md names every log event with its levels and fields, and every metric, and no other."""

import re
from collections.abc import Iterator

from tests.docs.code_blocks import ROOT
from tests.docs.log_events import ANY_LEVEL, logged_events, metrics, read_modules

PAGE = (ROOT / "docs" / "logs-and-metrics.md").read_text(encoding="utf-8")
MODULES = read_modules()
EVENTS = logged_events(MODULES)
AUDIT_FIELDS = re.findall(r"`(\w+)`", PAGE.split("\nThe audit fields are ", 1)[1].partition("\n")[0])


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables whose first column has this heading."""
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside and set(cells[0]) != {"-"}:
            yield cells


def described_events() -> dict[str, tuple[set[str], set[str]]]:
    """Return the levels and fields of each event of the page, by its name."""
    found = {}
    for names, levels, fields, *_ in rows("event"):
        described = set(re.findall(r"`(\w+)`", fields)).union(AUDIT_FIELDS if "the audit fields" in fields else [])
        for name in re.findall(r"`([^`]+)`", names):
            found[name] = (set(levels.split(", ")), described)
    return found


def test_the_page_names_every_log_event_and_no_other() -> None:
    page = set(described_events())
    assert not set(EVENTS) - page, "docs/logs-and-metrics.md: add a row for each of these events"
    assert not page - set(EVENTS), "docs/logs-and-metrics.md: nothing logs these events any more, remove their rows"


def test_the_page_names_the_levels_of_every_event() -> None:
    page = described_events()
    for name, event in EVENTS.items():
        described, _ = page[name]
        assert event.levels - {ANY_LEVEL} <= described, f"{name} is logged as {event.levels}"
        assert described <= event.levels or ANY_LEVEL in event.levels, f"{name} is logged as {event.levels}"


def test_the_page_names_the_fields_of_every_event() -> None:
    page = described_events()
    for name, event in EVENTS.items():
        assert event.fields <= page[name][1], f"docs/logs-and-metrics.md: name the fields of {name}"


def test_event_names_are_snake_case() -> None:
    for name in EVENTS:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), name


def test_the_page_names_every_metric_with_its_type_and_labels() -> None:
    page = {
        re.findall(r"`(\w+)`", name)[0]: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in rows("metric")
    }
    assert page == metrics(MODULES)
