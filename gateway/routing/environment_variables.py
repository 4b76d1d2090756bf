"""Replace `${NAME}` in the strings of routes.toml by the environment variable of that name."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.routing.errors import ReportProblem, ValuePath

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
"""`${NAME}`; the group is the name."""


def substitute(value: Any, environ: Mapping[str, str], report: ReportProblem, path: ValuePath = ()) -> Any:
    """Return `value`, which is at `path` in the file, with the variables in all its strings replaced.

    A variable that `environ` lacks is reported and left unchanged.
    """
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _variable(match, environ, report, path), value)
    if isinstance(value, Mapping):
        return {key: substitute(member, environ, report, (*path, key)) for key, member in value.items()}
    if isinstance(value, list):
        return [substitute(member, environ, report, (*path, number)) for number, member in enumerate(value)]
    return value


def _variable(match: re.Match[str], environ: Mapping[str, str], report: ReportProblem, path: ValuePath) -> str:
    if match[1] not in environ:
        report(path, f"the environment variable {match[1]} is not set")
    return environ.get(match[1], match[0])
