"""The measured costs of the documentation's tables, read from the pages themselves."""

import re
from dataclasses import dataclass

from stack.plan import ROOT

_TABLES = ROOT / "docs" / "performance-tables.md"
_GROWTH = ROOT / "docs" / "performance-growth.md"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of one request, in microseconds of CPU time, and of what a process remembers, in bytes."""

    request_us: float
    """At the gateway, interpreted, in the mix of an application."""
    unseen_token_us: float
    """At the gateway, for a request whose token it has not verified before."""
    refresh_us: float
    login_us: float
    token_bytes: float
    revocation_bytes: float
    connection_bytes: float


def read_costs() -> Costs:
    """Return the costs in docs/performance-tables.md and docs/performance-growth.md."""
    cpu = "CPU us a request"
    return Costs(
        request_us=_cell(_TABLES.read_text(), "The mix of an application", "Sallyport, interpreted", cpu),
        unseen_token_us=_cell(_TABLES.read_text(), "A token never seen before", "Sallyport", cpu),
        refresh_us=_cell(_TABLES.read_text(), "Refresh: a rotation", "Sallyport's auth service", cpu),
        login_us=_cell(_TABLES.read_text(), "Log-in, one at a time", "Sallyport's auth service", cpu),
        token_bytes=_growth("Tokens in use"),
        revocation_bytes=_growth("Revoked sessions"),
        connection_bytes=_growth("Idle connections"),
    )


def _growth(heading: str) -> float:
    """Return the bytes by which the largest row of a table has more memory than its first, for each thing."""
    rows = _rows(_GROWTH.read_text(), heading)
    first, last = rows[1], rows[-1]
    memory = rows[0].index("memory, MiB")
    return (_number(last[memory]) - _number(first[memory])) * _MIB / (_number(last[0]) - _number(first[0]))


def _cell(page: str, heading: str, name: str, column: str) -> float:
    header, *rows = _rows(page, heading)
    (row,) = [row for row in rows if row[0] == name]
    return _number(row[header.index(column)])


def _rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below the heading that begins with `heading`, its header first."""
    _, found, rest = page.partition(f"\n### {heading}")
    if not found:
        raise LookupError(f"no table below a heading {heading!r}")
    lines = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert lines is not None, heading
    table = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines[0].splitlines()]
    return [table[0], *table[2:]]


def _number(cell: str) -> float:
    """Return the first number of a cell such as `66 (0.83, 2.92)` or `1,501 (0.29)`."""
    found = re.match(r"[\d,.]+", cell)
    assert found is not None, cell
    return float(found[0].replace(",", ""))
