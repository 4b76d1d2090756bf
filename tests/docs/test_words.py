"""Names and phrases that were replaced do not return, neither in code nor in documents."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.code_blocks import ROOT

OLD_NAMES = {
    "arrival": "request",
    "arrivals": "requests",
    "asked": "the verb that is meant: requested, checked, sent",
    "departure": "graceful_shutdown",
    "examined": "matched_request",
    "give_back": "release, or revoke",
    "housekeeper": "retention",
    "known_answers": "response_head_cache",
    "known_requests": "request_head_cache",
    "lateness": "event_loop_lag",
    "moments": "timestamps",
    "proof": "principal",
    "said": "the verb that is meant: sent, logged, received",
    "sighting": "usage_report",
    "sightings": "usage_reports",
    "standing": "rate_limit_headers, or outlier state",
    "told": "the verb that is meant: notified, configured",
    "whoever": "the noun that is meant",
}
"""Words that are no part of a name in the code, and what replaces them."""

OLD_FULL_NAMES = {
    "FRESH": "keepalive_expiry",
    "KEPT": "max_keepalive_connections",
    "own_endpoints": "endpoints",
    "tries": "attempt_counters",
}
"""Names that are not used as a whole."""

OLD_PHRASES = (
    r"\bas whose\b",
    r"\basked whether\b",
    r"\bbelongs? into\b",
    r"\bcomes? late to\b",
    r"\bis told (?:that|how|of|by|about)\b",
    r"\bis let alone\b",
    r"\blet alone\b",
    r"\bnobody who\b",
    r"\bsays? so\b",
    r"\bwhat becomes? of\b",
    r"\bwhat became of\b",
    r"\bwhat is none\b",
    r"\bwhom? to believe\b",
    r"\bwhoever\b",
    r"\bwhomever\b",
)
"""Regular expressions, without regard to case, that no text of the project matches."""

OLD_FIRST_WORDS = ("Owns", "Decides", "Tells", "Is", "Asks", "Says", "Finds out")
"""First words of a docstring that leave open what the thing is or does."""

THIS_FILE = Path(__file__).resolve()
TEXT_ENDINGS = {".py", ".md", ".toml", ".yml", ".yaml", ".cfg", ".conf", ".sh", ".example", ".in", ""}


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and file.suffix in TEXT_ENDINGS and file.resolve() != THIS_FILE]


def python_files() -> list[Path]:
    return [file for file in tracked_files() if file.suffix == ".py"]


def names_in(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each name that a module defines, with its line."""
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case _:
                pass


def parts_of(name: str) -> str:
    """Return a name in snake_case with an underscore at both ends."""
    return "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") + "_"


def replacements(name: str) -> list[str]:
    """Return what replaces the old words in a name."""
    parts = parts_of(name)
    words = [new for old, new in OLD_NAMES.items() if f"_{old}_" in parts]
    return words + [new for old, new in OLD_FULL_NAMES.items() if name.strip("_") == old]


def place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT)}:{line}"


def test_no_name_contains_an_old_word() -> None:
    found = []
    for file in python_files():
        names = [(1, file.stem), *names_in(ast.parse(file.read_text(encoding="utf-8")))]
        for line, name in names:
            for new in replacements(name):
                found.append(f"{place(file, line)}: {name}: use {new}")
    assert not found, "\n".join(sorted(set(found)))


def test_no_text_contains_an_old_phrase() -> None:
    pattern = re.compile("|".join(OLD_PHRASES), re.IGNORECASE)
    found = []
    for file in tracked_files():
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{place(file, number)}: {match[0]}")
    assert not found, "\n".join(found)


def test_no_docstring_begins_with_an_old_word() -> None:
    found = []
    for file in python_files():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            first = (ast.get_docstring(node) or "").strip()
            if any(re.match(rf"{word}\b", first) for word in OLD_FIRST_WORDS):
                found.append(f"{place(file, getattr(node, 'lineno', 1))}: {first.splitlines()[0][:80]}")
    assert not found, "\n".join(found)
