"""Collect the log events and metrics of the code, from its syntax trees."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.code_blocks import ROOT

PACKAGES = ("gateway", "auth_service", "resource_service", "chassis", "stack", "doctor")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"_log", "log", "logger"}
ANY_LEVEL = "any"
"""The level of a call that computes its level."""

METRIC_TYPES = ("counter", "gauge", "histogram")
METRIC_PREFIX = "sallyport_"

Modules = dict[Path, ast.Module]


@dataclass(slots=True)
class LoggedEvent:
    """The levels and the named fields of an event, over all calls that log it."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LogCall:
    """A call of a logger: its level, the expression of its event, and the fields that it names."""

    level: str
    event: ast.expr
    fields: set[str]


def read_modules() -> Modules:
    """Return the syntax tree of every module of the services, by its path."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}


def logged_events(modules: Modules) -> dict[str, LoggedEvent]:
    """Return each event of the code by its name."""
    found: dict[str, LoggedEvent] = defaultdict(LoggedEvent)
    for file, module in modules.items():
        for call in _log_calls(module):
            literal = _text(call.event)
            names = {literal} if literal else _computed_names(file, call.event, modules)
            assert names, f"{file}:{call.event.lineno}: the events of this call cannot be read from the code"
            for name in names:
                found[name].levels.add(call.level)
                found[name].fields |= call.fields
        for name in _formatted_names(module):
            found[name].levels.add("info")
    return dict(found)


def metrics(modules: Modules) -> dict[str, tuple[str, set[str]]]:
    """Return the type and the labels of each metric, by the name that Prometheus sees."""
    found: dict[str, tuple[str, set[str]]] = {}
    for node in _nodes(modules):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        name = _text(node.args[0]) or ""
        kinds = [kind for kind in METRIC_TYPES if kind in ast.unparse(node.func).lower()]
        if name.startswith(METRIC_PREFIX) and kinds:
            labels = node.args[2] if len(node.args) > 2 else None
            names = set(filter(None, map(_text, labels.elts))) if isinstance(labels, ast.List) else set()
            found[f"{name}_total" if kinds[0] == "counter" else name] = (kinds[0], names)
    return found


def _log_calls(module: ast.Module) -> Iterator[LogCall]:
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        fields = {keyword.arg for keyword in node.keywords if keyword.arg} - {"exc_info"}
        match node.func:
            case ast.Attribute(value=ast.Name(id=logger), attr="log") if logger in LOGGERS:
                yield LogCall(ANY_LEVEL, node.args[1], fields)
            case ast.Attribute(value=ast.Name(id=logger), attr=method) if logger in LOGGERS and method in LEVELS:
                yield LogCall("error" if method == "exception" else method, node.args[0], fields)
            case ast.Name(id=name) if name in LOGGERS:  # a method of a logger in a variable
                yield LogCall(ANY_LEVEL, node.args[0], fields)
            case _:
                pass


def _computed_names(file: Path, event: ast.expr, modules: Modules) -> set[str]:
    """Return the names of an event that is no literal: from a table, an enum or a constructor call."""
    match event:
        case ast.Subscript(value=ast.Name(id=table)):
            return _values_of_table(table, modules[file])
        case ast.Attribute(attr="value"):
            return _values_of_enums(file.parent, modules)
        case ast.Attribute(value=ast.Name(id="self")):
            return _arguments_of_class(event, modules[file], modules)
        case _:
            return set()


def _values_of_table(table: str, module: ast.Module) -> set[str]:
    assigned = [node for node in module.body if isinstance(node, ast.AnnAssign | ast.Assign)]
    values = [node.value for node in assigned if ast.unparse(node).startswith((f"{table}:", f"{table} ="))]
    return {text for value in values if isinstance(value, ast.Dict) for text in map(_text, value.values) if text}


def _values_of_enums(folder: Path, modules: Modules) -> set[str]:
    classes = [
        node
        for file, module in modules.items()
        if file.parent == folder
        for node in module.body
        if isinstance(node, ast.ClassDef) and "StrEnum" in map(ast.unparse, node.bases)
    ]
    assigned = [line.value for node in classes for line in node.body if isinstance(line, ast.Assign)]
    return {text for text in map(_text, assigned) if text}


def _arguments_of_class(event: ast.expr, module: ast.Module, modules: Modules) -> set[str]:
    """Return the string arguments of the constructor calls of the class that contains `event`."""
    classes = [node for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    names = {node.name for node in classes if event in set(ast.walk(node))}
    calls = [node for node in _nodes(modules) if isinstance(node, ast.Call) and ast.unparse(node.func) in names]
    return {text for call in calls for text in map(_text, call.args) if text}


def _formatted_names(module: ast.Module) -> Iterator[str]:
    """Yield the events of log lines that are formatted without a logger."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r'"event": "(\w+)"', node.value)


def _nodes(modules: Modules) -> Iterator[ast.AST]:
    for module in modules.values():
        yield from ast.walk(module)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
