"""The examples of docs/clients/python.md run in order against the real stack, and print what the page shows."""

import contextlib
import io
import itertools
import os
import sys
import types
from pathlib import Path

import pytest

from tests.docs.code_blocks import code_blocks
from tests.system.support.running_stack import RunningStack

PAGE = "docs/clients/python.md"


class Keyring(types.ModuleType):
    """The two functions of keyring that the page uses, without a desktop."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        """Return an entry."""
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        """Write an entry."""
        self.entries[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        """Remove an entry."""
        del self.entries[service, name]


def test_the_examples_print_what_the_page_shows(
    stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One namespace for the whole page, as in an interpreter."""
    pytest.importorskip("httpx", reason="httpx is not installed; make setup installs it")
    monkeypatch.setitem(sys.modules, "keyring", Keyring())
    monkeypatch.chdir(tmp_path)
    email = f"python-{os.getpid()}@example.com"
    names: dict[str, object] = {}
    compared = 0
    blocks = code_blocks(PAGE, "python", "sh", "")
    for (language, code), (next_language, output) in itertools.pairwise([*blocks, ("python", "")]):
        if language != "python":
            continue
        code = code.replace("http://127.0.0.1:8000", stack.url).replace("ann@example.com", email)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, PAGE, "exec"), names)
        if next_language == "":
            assert printed.getvalue().replace(email, "ann@example.com") == output
            compared += 1
    assert compared == 4
    store, tokens = names["KeyringStore"](), names["Tokens"]("a", "r")  # type: ignore[operator]
    store.save(tokens)
    assert store.load() == tokens
    store.clear()
    assert store.load() is None
