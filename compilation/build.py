"""Build the compiled copy with mypyc, which translates typed Python to C (docs/decisions/0038)."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from compilation.copy import PACKAGES, ROOT, STAMP, compiled_modules, current_stamp

_SETUP_FILE = "setup_compiled.py"
_SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(name="compiled-gateway", packages=[], ext_modules=mypycify(
    {arguments!r}, opt_level={level!r}, debug_level="0", group_name="gateway"))
"""
_MYPY_OPTIONS = (f"--config-file={ROOT / 'pyproject.toml'}", "--no-warn-unused-ignores", "--no-warn-unreachable")
"""Types are checked as by `make lint`. What is only a matter of style must not stop a build with other packages."""


class CompileError(Exception):
    """The gateway cannot be compiled. The message says why."""


def compile_into(folder: Path) -> None:
    """Compile the gateway into `folder`, which is replaced. Raises CompileError.

    MYPYC_OPT_LEVEL is the optimization level of the C compiler; the default is 3.
    """
    _check_compiler()
    stamp = current_stamp()  # before the sources are copied, so that a later change makes the copy stale
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, building / package, ignore=shutil.ignore_patterns("__pycache__"))
    _run_mypyc(building)
    (building / _SETUP_FILE).unlink()
    for left_over in ("build", ".mypy_cache"):
        shutil.rmtree(building / left_over, ignore_errors=True)
    (building / STAMP).write_text(stamp, "ascii")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _check_compiler() -> None:
    """Raise CompileError if the C compiler that built Python, or Python's header files, are missing."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise CompileError(f"there is no C compiler {compiler}; on Debian and Ubuntu: apt-get install gcc")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise CompileError(f"there is no {header}; on Debian and Ubuntu: apt-get install python3-dev")


def _run_mypyc(building: Path) -> None:
    arguments = [*_MYPY_OPTIONS, *compiled_modules()]
    level = os.environ.get("MYPYC_OPT_LEVEL", "3")
    (building / _SETUP_FILE).write_text(_SETUP.format(arguments=arguments, level=level), "utf-8")
    command = [sys.executable, _SETUP_FILE, "--quiet", "build_ext", "--inplace"]
    # Without PYTHONPATH, so that mypy finds the packages in the copy alone.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=building, env=environ, check=False)  # noqa: S603 - our own command
    if result.returncode != 0:
        raise CompileError(f"mypyc has ended with status {result.returncode}; its messages are above")
