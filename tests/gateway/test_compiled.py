"""`make test` runs on the interpreted gateway, `make test-compiled` on the compiled one."""

import os
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES

from compilation.copy import compiled_modules
from gateway.compiled import is_compiled
from gateway.startup_check import startup_problems

IS_REQUIRED = os.environ.get("GATEWAY_COMPILED", "off") == "on"


def test_all_listed_modules_are_compiled_or_none() -> None:
    names = [path.removesuffix(".py").replace("/", ".") for path in compiled_modules()]
    files = {name: str(import_module(name).__file__) for name in names}
    expected = tuple(EXTENSION_SUFFIXES) if IS_REQUIRED else (".py",)
    assert {name: file for name, file in files.items() if not file.endswith(expected)} == {}
    assert is_compiled() == IS_REQUIRED


def test_a_gateway_that_must_be_compiled_does_not_start_interpreted() -> None:
    problems = startup_problems(
        {
            "AUTH_URL": "http://127.0.0.1:8001",
            "REDIS_URL": "redis://127.0.0.1",
            "PEER_SECRET": "0123456789abcdef" * 4,
            "GATEWAY_COMPILED": "on",
        },
        syntax_only=True,
    )
    expected = [] if IS_REQUIRED else ["GATEWAY_COMPILED is on, but this gateway is not compiled"]
    assert [problem.partition(": ")[0] for problem in problems] == expected
