"""Fixtures that read settings and make plans from a few variables."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stack.plan import Plan, make_plan
from stack.settings import Settings, read_settings

Reading = Callable[..., Settings]
Planning = Callable[..., Plan]


@pytest.fixture
def read(tmp_path: Path) -> Reading:
    """Return `read(NAME=value, ...)`: relative paths start at tmp_path, and every file exists."""
    return lambda **environ: read_settings(environ, tmp_path, lambda _: True)


@pytest.fixture
def plan(read: Reading) -> Planning:
    """Return `plan(NAME=value, ...)`."""
    return lambda **environ: make_plan(read(**environ))
