"""The pages of logs and of metrics name every log event with its levels and fields, every metric, and no other."""

import re
from collections.abc import Iterator, Mapping

import pytest

from tests.docs.code_blocks import ROOT
from tests.docs.log_events import ANY_LEVEL, LoggedEvent, Modules, logged_events, metrics, read_modules

PAGE = (ROOT / "docs" / "logs-and-metrics.md").read_text(encoding="utf-8")
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
AUDIT_FIELDS = re.findall(r"`(\w+)`", PAGE.split("\nThe audit fields are ", 1)[1].partition("\n")[0])


@pytest.fixture(scope="module")
def modules() -> Modules:
    return read_modules()


@pytest.fixture(scope="module")
def events(modules: Modules) -> Mapping[str, LoggedEvent]:
    return logged_events(modules)


def rows(heading: str, page: str = PAGE) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables whose first column has this heading."""
    inside = False
    for line in page.splitlines():
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


def test_the_page_names_every_log_event_and_no_other(events: Mapping[str, LoggedEvent]) -> None:
    page = set(described_events())
    assert not set(events) - page, "docs/logs-and-metrics.md: add a row for each of these events"
    assert not page - set(events), "docs/logs-and-metrics.md: nothing logs these events any more, remove their rows"


def test_the_page_names_the_levels_of_every_event(events: Mapping[str, LoggedEvent]) -> None:
    page = described_events()
    for name, event in events.items():
        described, _ = page[name]
        assert event.levels - {ANY_LEVEL} <= described, f"{name} is logged as {event.levels}"
        assert described <= event.levels or ANY_LEVEL in event.levels, f"{name} is logged as {event.levels}"


def test_the_page_names_the_fields_of_every_event(events: Mapping[str, LoggedEvent]) -> None:
    page = described_events()
    for name, event in events.items():
        assert event.fields <= page[name][1], f"docs/logs-and-metrics.md: name the fields of {name}"


def test_event_names_are_snake_case(events: Mapping[str, LoggedEvent]) -> None:
    for name in events:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), name


def test_the_page_names_every_metric_with_its_type_and_labels(modules: Modules) -> None:
    page = {
        re.findall(r"`(\w+)`", name)[0]: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in rows("metric", METRICS_PAGE)
    }
    assert page == metrics(modules)
