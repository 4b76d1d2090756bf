"""Programs and packages that are older than their security floor."""

from collections.abc import Iterator, Mapping

from doctor.finding import Problem, warning
from doctor.version_floors import OPENSSL, PACKAGES, PYTHON, Branches, Floor, parse_version

_UNLESS = "or ask the distribution whether it has fixed this version, and then use --skip"


def python(version: str, *, is_system_python: bool) -> Iterator[Problem]:
    """Return whether Python is too old. A distribution fixes its own Python without changing the version."""
    floor = PYTHON.floor_of(parse_version(version))
    if floor and not is_system_python and parse_version(version) < floor.version:
        yield _old("Python", version, floor, f"Install Python {_text(floor)} or newer, and `make clean run`.")


def openssl(version: str) -> Iterator[Problem]:
    """Return whether OpenSSL is too old."""
    if parse_version(version) < OPENSSL.version:
        yield _old("OpenSSL", version, OPENSSL, f"Use a Python with OpenSSL {_text(OPENSSL)} or newer, {_UNLESS}.")


def server(name: str, version: str, branches: Branches) -> Iterator[Problem]:
    """Return whether a server is too old."""
    floor = branches.floor_of(parse_version(version))
    if floor and parse_version(version) < floor.version:
        yield _old(name, version, floor, f"Update it to {_text(floor)} or newer, {_UNLESS}.")


def packages(installed: Mapping[str, str]) -> Iterator[Problem]:
    """Return the packages that are too old."""
    for name, version in installed.items():
        floor = PACKAGES[name]
        if parse_version(version) < floor.version:
            yield _old(
                name, version, floor, f"Update {name} to {_text(floor)} or newer: `make lock`, and build again."
            )


def _old(name: str, version: str, floor: Floor, remedy: str) -> Problem:
    return warning(f"{name} {version} is older than {_text(floor)} ({floor.reason}).", remedy)


def _text(floor: Floor) -> str:
    return ".".join(map(str, floor.version))
