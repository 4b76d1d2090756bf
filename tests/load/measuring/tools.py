"""Install missing tools that are not Python packages, on Debian."""

import os
import shutil
import subprocess
import sys

REQUIRED = {"wrk": "wrk", "nginx": "nginx-light"}
"""Program and Debian package."""
OPTIONAL = {"haproxy": "haproxy"}
"""Without these a peer is left out of the comparison."""


class Missing(Exception):
    """A required tool is missing and cannot be installed."""


def install_tools() -> None:
    """Install missing tools. Raises Missing if a required tool cannot be installed."""
    if sys.platform != "linux":
        raise Missing("the measurement reads /proc, which only Linux has")
    for program, package in {**REQUIRED, **OPTIONAL}.items():
        if not shutil.which(program) and shutil.which("apt-get"):
            _install(package)
    if missing := [program for program in REQUIRED if not shutil.which(program)]:
        raise Missing(f"the measurement needs {' and '.join(missing)}: install them, then try again")


def _install(package: str) -> None:
    sys.stderr.write(f"installing {package}\n")
    arguments = [] if os.getuid() == 0 else ["sudo", "--non-interactive"]
    arguments += ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", package]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(arguments, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr.decode("utf-8", "replace"))
