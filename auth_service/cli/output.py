"""Print results: a table for people, or JSON for programs."""

import json
from collections.abc import Mapping, Sequence

import click

JSON = Mapping[str, object]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: JSON | Sequence[JSON]) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(value))


def print_list(rows: Sequence[JSON], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a JSON array of all members of the rows, or a table of `columns`."""
    if as_json:
        print_json(rows)
        return
    table = [
        [column.replace("_", " ") for column in columns],
        *([printable(row[name]) for name in columns] for row in rows),
    ]
    widths = [max(len(line[number]) for line in table) for number in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_members(row: JSON, *, as_json: bool) -> None:
    """Print a JSON object, or a line for each member."""
    if as_json:
        print_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' ').ljust(width)}  {printable(value)}".rstrip())


def print_result(message: str, row: JSON, *, as_json: bool) -> None:
    """Print what was done: a JSON object, or a sentence."""
    if as_json:
        print_json(row)
    else:
        click.echo(message)


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Ask before a change that cannot be undone, unless `--yes` was given. Exit with 1 if the answer is not yes."""
    if not is_confirmed:
        click.confirm(question, abort=True, err=True)


def printable(value: object) -> str:
    """Return a value as text for a terminal; `-` for one that is empty."""
    match value:
        case None | "":
            return "-"
        case list():
            return " ".join(map(str, value)) or "-"
        case dict():
            return " ".join(f"{name}={member}" for name, member in value.items()) or "-"
    # A control character, as a User-Agent may have it, would change what the terminal shows.
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


yes_option = click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask for confirmation.")
