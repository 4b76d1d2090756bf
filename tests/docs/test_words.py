"""Names and phrases that were replaced do not return, neither in code nor in documents."""

import ast
import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
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
TEXT_ENDINGS = {
    *(".py", ".ts", ".js", ".mjs", ".css", ".html"),
    *(".md", ".toml", ".yml", ".yaml", ".cfg", ".conf", ".sh", ".example", ".in", ""),
}


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and file.suffix in TEXT_ENDINGS and file.resolve() != THIS_FILE]


@dataclass(slots=True)
class Module:
    """The names that a Python file defines, and its docstrings, each with its line."""

    file: Path
    names: list[tuple[int, str]] = field(default_factory=list)
    docstrings: list[tuple[int, str]] = field(default_factory=list)

    def read(self) -> None:
        """Read the file."""
        self.names.append((1, self.file.stem))
        for node in ast.walk(ast.parse(self.file.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    self.names.append((node.lineno, name))
                    self.docstrings.append((node.lineno, ast.get_docstring(node) or ""))
                case (
                    ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store())
                ):
                    self.names.append((node.lineno, name))
                case ast.Module():
                    self.docstrings.append((1, ast.get_docstring(node) or ""))
                case _:
                    pass


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    modules = [Module(file) for file in tracked_files() if file.suffix == ".py"]
    for module in modules:
        module.read()
    return modules


def parts_of(name: str) -> str:
    """Return a name in snake_case with an underscore at both ends."""
    return "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") + "_"


@cache
def replacements(name: str) -> list[str]:
    """Return what replaces the old words in a name."""
    parts = parts_of(name)
    words = [new for old, new in OLD_NAMES.items() if f"_{old}_" in parts]
    return words + [new for old, new in OLD_FULL_NAMES.items() if name.strip("_") == old]


def place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT)}:{line}"


def test_no_name_contains_an_old_word(modules: list[Module]) -> None:
    found = {
        f"{place(module.file, line)}: {name}: use {new}"
        for module in modules
        for line, name in module.names
        for new in replacements(name)
    }
    assert not found, "\n".join(sorted(found))


def test_no_text_contains_an_old_phrase() -> None:
    pattern = re.compile("|".join(OLD_PHRASES), re.IGNORECASE)
    found = []
    for file in tracked_files():
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{place(file, number)}: {match[0]}")
    assert not found, "\n".join(found)


def test_no_docstring_begins_with_an_old_word(modules: list[Module]) -> None:
    found = [
        f"{place(module.file, line)}: {text.splitlines()[0][:80]}"
        for module in modules
        for line, text in module.docstrings
        if any(re.match(rf"{word}\b", text) for word in OLD_FIRST_WORDS)
    ]
    assert not found, "\n".join(found)
