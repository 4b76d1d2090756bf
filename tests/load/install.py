"""Install the tools of a measurement that are not Python packages, on Debian, if they are missing."""

import os
import shutil
import subprocess
import sys

NEEDED = {"wrk": "wrk", "nginx": "nginx-light"}
WELCOME = {"haproxy": "haproxy"}
"""Program and Debian package. Without these a peer is left out."""


class Missing(Exception):
    """A required tool is missing and cannot be installed."""


def install_tools() -> None:
    """Install missing tools. Raises Missing with the names of required ones that cannot be installed."""
    if sys.platform != "linux":
        raise Missing("the measurement reads /proc, which only Linux has")
    for program, package in {**NEEDED, **WELCOME}.items():
        if not shutil.which(program) and shutil.which("apt-get"):
            _install(package)
    if missing := [program for program in NEEDED if not shutil.which(program)]:
        raise Missing(f"the measurement needs {' and '.join(missing)}: install them, then try again")


def _install(package: str) -> None:
    sys.stderr.write(f"installing {package}\n")
    words = [] if os.getuid() == 0 else ["sudo", "--non-interactive"]
    words += ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", package]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr.decode("utf-8", "replace"))
