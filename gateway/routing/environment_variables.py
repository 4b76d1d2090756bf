"""Fills the names of environment variables, `${NAME}`, in what routes.toml says."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.routing.errors import Complain
from gateway.routing.toml_lines import Place

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def filled(value: Any, environ: Mapping[str, str], complain: Complain, place: Place = ()) -> Any:
    """`value`, which stands at `place`, with every string filled; what is missing is complained of, and stays."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _value(match, environ, complain, place), value)
    if isinstance(value, Mapping):
        return {key: filled(member, environ, complain, (*place, key)) for key, member in value.items()}
    if isinstance(value, list):
        return [filled(member, environ, complain, (*place, number)) for number, member in enumerate(value)]
    return value


def _value(match: re.Match[str], environ: Mapping[str, str], complain: Complain, place: Place) -> str:
    if match[1] not in environ:
        complain(place, f"the environment has no {match[1]}")
    return environ.get(match[1], match[0])
