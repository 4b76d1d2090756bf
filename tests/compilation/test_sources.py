"""The compiled modules avoid what mypyc compiles to something else than Python means (docs/decisions/0038)."""

import ast
from collections import Counter
from collections.abc import Iterator

from compilation.copy import ROOT, compiled_modules

SAFE_SLICES = {
    "value[1:-1]": "a str, whose slices mypyc compiles correctly",
    "host[1:-1]": "a str",
    "ascii(origin[:MAX_PRINTED_LENGTH])[1:-1]": "a str",
    "lines[start:start + 4]": "a list",
    "opt_in_lines[start:start + 4]": "a list",
    "data[line_end:head_end]": "both callers have compared the bounds",
    "digits[32:48]": "constants, of 64 digits",
    "section[start:end]": "a line end follows each field, so `end` is not before `start`",
}
"""Slices with two bounds, and why their end is never before their start. Of bytes, that would be a SystemError."""


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes of a kind in the compiled modules, each with its module."""
    for module in compiled_modules():
        for node in ast.walk(ast.parse((ROOT / module).read_text("utf-8"))):
            if isinstance(node, kind):
                yield module, node


def test_the_end_of_a_slice_is_never_before_its_start() -> None:
    slices = [node for _, node in nodes(ast.Subscript) if isinstance(node, ast.Subscript)]
    bounded = {
        ast.unparse(node)
        for node in slices
        if isinstance(node.slice, ast.Slice) and node.slice.lower is not None and node.slice.upper is not None
    }
    assert bounded == set(SAFE_SLICES)


def test_a_try_statement_names_each_exception_differently() -> None:
    """A variable of two handlers has the class of the first: an exception of the second handler is a TypeError."""
    repeated = {
        (module, name)
        for module, node in nodes(ast.Try)
        if isinstance(node, ast.Try)
        for name, count in Counter(handler.name for handler in node.handlers if handler.name).items()
        if count > 1
    }
    assert repeated == set()


def test_no_class_has_a_field_that_is_annotated_object() -> None:
    """In a dataclass, mypyc looks `object` up in the module, so that its import fails."""
    annotated = {
        (module, ast.unparse(statement))
        for module, node in nodes(ast.ClassDef)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) == "object"
    }
    assert annotated == set()
