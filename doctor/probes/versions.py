"""Read the versions of Python, OpenSSL and the installed packages."""

import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from doctor.version_floors import PACKAGES


@dataclass(frozen=True, slots=True)
class Installed:
    """Versions. `is_system_python`: the distribution maintains this Python, with security fixes of its own."""

    python: str
    is_system_python: bool
    openssl: str
    packages: Mapping[str, str]


def installed_versions() -> Installed:
    """Return the versions in this process, whose environment is that of the services."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:  # an image has only the packages of its service
            continue
    return Installed(
        ".".join(map(str, sys.version_info[:3])),
        sys.base_prefix == "/usr",
        ".".join(map(str, ssl.OPENSSL_VERSION_INFO[:3])),
        packages,
    )
