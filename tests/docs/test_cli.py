"""docs/cli.md names every command of the auth service and no other, and every option is in the documentation."""

import re
from collections.abc import Iterator

import click
import pytest

from auth_service.cli.commands import commands
from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
EVERY_PAGE = "\n".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))
COMMON = {"--json", "--yes", "--help"}
"""Options that the page explains once."""
SERVE = "serve"
"""The command that is no click command: it becomes the server."""


def walk(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its words, such as `users list`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from walk(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(walk(commands))


def options(command: click.Command) -> set[str]:
    return {name for option in command.params if isinstance(option, click.Option) for name in option.opts} - COMMON


def documented() -> dict[str, set[str]]:
    """Return the options beside each command in the code of the page, by the command."""
    found: dict[str, set[str]] = {}
    for code in re.findall(r"`([a-z][^`\n]*)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)):
        words = code.split()
        for length in (2, 1):
            name = " ".join(words[:length])
            if name in COMMANDS or name == SERVE:
                found.setdefault(name, set()).update(re.findall(r"--[a-z][a-z-]+", code))
                break
        else:
            assert words[0] not in commands.commands or len(words) == 1, f"docs/cli.md: there is no command {code}"
    return found


def test_the_page_names_every_command() -> None:
    # `migration` is for developers of this project: CONTRIBUTING.md has it as `make migration`.
    assert documented().keys() == COMMANDS.keys() - {"migration"} | {SERVE}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented(name: str) -> None:
    for option in options(COMMANDS[name]):
        assert re.search(rf"{option}\b(?!-)", EVERY_PAGE), f"{name} {option}: name it in docs/cli.md"


def test_every_option_beside_a_command_exists() -> None:
    for name, named in documented().items():
        if name != SERVE:
            assert named <= options(COMMANDS[name]) | COMMON, f"docs/cli.md: {name} has no such option"
