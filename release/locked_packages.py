"""The packages of an image: those of its lock file that are installed on Linux with the image's Python."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement

from release.version import ROOT

IMAGES = {"gateway": "gateway", "auth": "auth_service", "resource": "resource_service"}
"""The images, each with the service in it, whose lock file is requirements/SERVICE.txt."""
_PYTHON = re.compile(r"^FROM python:(\d+\.\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package in a lock file: its name, its version, and its lines, which contain its hashes."""

    name: str
    version: str
    text: str


def locked_packages(image: str) -> list[LockedPackage]:
    """Return the packages of an image."""
    text = (ROOT / "requirements" / f"{IMAGES[image]}.txt").read_text(encoding="utf-8")
    return list(_packages(text, image_python()))


def image_python() -> str:
    """Return the version of Python in the images, such as 3.14."""
    found = _PYTHON.search((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    if not found:
        raise ValueError("Dockerfile: no line begins with FROM python:")
    return found[1]


def _packages(text: str, python: str) -> Iterator[LockedPackage]:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for lines in re.findall(r"^[a-zA-Z0-9].*(?:\n +.*)*", text, re.MULTILINE):
        requirement = Requirement(lines.partition("\\")[0])
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            yield LockedPackage(requirement.name, pin.version, lines)
