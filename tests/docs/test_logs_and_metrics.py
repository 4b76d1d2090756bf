"""docs/logs-and-metrics.md names every log event with its levels and every metric, and no other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "logs-and-metrics.md").read_text(encoding="utf-8")
PACKAGES = ("gateway", "auth_service", "resource_service", "chassis", "stack")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"_log", "log", "logger"}
METRIC_TYPES = ("counter", "gauge", "histogram")
METRIC_PREFIX = "sallyport_"
ANY_LEVEL = "any"

Modules = dict[Path, ast.Module]


def parsed() -> Modules:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}


def text_of(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def log_calls(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the level and the event expression of each call of a logger in a module."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=logger), attr=method) if logger in LOGGERS and node.args:
                if method in LEVELS:
                    yield ("error" if method == "exception" else method), node.args[0]
                elif method == "log":
                    yield ANY_LEVEL, node.args[1]
            case ast.Name(id=name) if name in LOGGERS and node.args:  # a method that was chosen before
                yield ANY_LEVEL, node.args[0]
            case _:
                pass


def computed_events(file: Path, event: ast.expr, modules: Modules) -> set[str]:
    """Return the event names of an expression that is no literal: from a table, an enum or a constructor call."""
    module = modules[file]
    match event:
        case ast.Subscript(value=ast.Name(id=table)):
            values = [
                node.value
                for node in module.body
                if isinstance(node, ast.Assign | ast.AnnAssign)
                and table
                in {ast.unparse(t) for t in (node.targets if isinstance(node, ast.Assign) else [node.target])}
            ]
            return {
                text for value in values if isinstance(value, ast.Dict) for text in map(text_of, value.values) if text
            }
        case ast.Attribute(attr="value"):
            enums = [
                node
                for other, tree in modules.items()
                if other.parent == file.parent
                for node in tree.body
                if isinstance(node, ast.ClassDef) and "StrEnum" in map(ast.unparse, node.bases)
            ]
            assigned = [line.value for enum in enums for line in enum.body if isinstance(line, ast.Assign)]
            return {text for text in map(text_of, assigned) if text}
        case ast.Attribute(value=ast.Name(id="self")):
            classes = {
                node.name
                for node in ast.walk(module)
                if isinstance(node, ast.ClassDef) and event in set(ast.walk(node))
            }
            calls = [
                node
                for other in modules.values()
                for node in ast.walk(other)
                if isinstance(node, ast.Call) and ast.unparse(node.func) in classes and node.args
            ]
            return {text for call in calls for text in map(text_of, call.args) if text}
        case _:
            return set()


def events_of_the_code() -> dict[str, set[str]]:
    """Return the levels of each event, by name. The level of a call whose level is computed is `any`."""
    found: dict[str, set[str]] = defaultdict(set)
    modules = parsed()
    for file, module in modules.items():
        for level, event in log_calls(module):
            literal = text_of(event)
            names = {literal} if literal else computed_events(file, event, modules)
            assert names, f"{file}:{event.lineno}: the test cannot tell which events this call logs"
            for name in names:
                found[name].add(level)
        for node in ast.walk(module):  # lines that are formatted by hand
            text = text_of(node) if isinstance(node, ast.expr) else None
            for name in re.findall(r'"event": "(\w+)"', text or ""):
                found[name].add("info")
    return dict(found)


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


def events_of_the_page() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for names, levels, *_ in rows("event"):
        for name in re.findall(r"`([^`]+)`", names):
            found[name] = set(levels.split(", "))
    return found


def metrics_of_the_code() -> dict[str, tuple[str, set[str]]]:
    """Return the type and labels of each metric, by its exposed name."""
    found: dict[str, tuple[str, set[str]]] = {}
    for module in parsed().values():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            name = text_of(node.args[0]) or ""
            kinds = [kind for kind in METRIC_TYPES if kind in ast.unparse(node.func).lower()]
            if not name.startswith(METRIC_PREFIX) or not kinds:
                continue
            third = node.args[2] if len(node.args) > 2 else None
            labels = {text for text in map(text_of, third.elts) if text} if isinstance(third, ast.List) else set()
            found[f"{name}_total" if kinds[0] == "counter" else name] = (kinds[0], labels)
    return found


def test_the_page_names_every_log_event_and_no_other() -> None:
    code, page = set(events_of_the_code()), set(events_of_the_page())
    assert not code - page, "docs/logs-and-metrics.md: add a row for each of these events"
    assert not page - code, "docs/logs-and-metrics.md: nothing logs these events any more, remove their rows"


def test_the_page_names_the_levels_of_every_event() -> None:
    page = events_of_the_page()
    for name, levels in events_of_the_code().items():
        assert levels - {ANY_LEVEL} <= page[name], f"{name} is logged as {levels}"
        assert page[name] <= levels or ANY_LEVEL in levels, f"{name} is logged as {levels}"


def test_event_names_are_snake_case() -> None:
    for name in events_of_the_code():
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), name


def test_the_page_names_every_metric_with_its_type_and_labels() -> None:
    page = {
        re.findall(r"`(\w+)`", name)[0]: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in rows("metric")
    }
    assert page == metrics_of_the_code()
