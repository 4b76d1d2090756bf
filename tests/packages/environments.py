"""Virtual environments as users of the package make them: its wheel and a framework, of the locked versions."""

import re
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stack.plan import ROOT

BUILD = ROOT / ".venv-package-sallyport-service"
"""The environment of packages/test.sh, with pip and everything in requirements/packages.txt."""
PACKAGE = ROOT / "packages" / "sallyport-service"
LOCK = (ROOT / "requirements" / "packages.txt").read_text(encoding="utf-8")


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel in `folder` and return its path."""
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(PACKAGE))
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, wheel: Path, packages: list[str]) -> Path:
    """Create folder/.venv with the wheel, what it depends on, and `packages`. Return the folder of its programs."""
    venv = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    (folder / "locked.txt").write_text(_locked(["PyJWT", *packages]))
    pip("--python", str(python), "install", "--require-hashes", "-r", str(folder / "locked.txt"))
    pip("--python", str(python), "install", "--no-index", str(wheel))  # fails unless its dependencies are installed
    pip("--python", str(python), "check")
    return venv / "bin"


def pip(*arguments: str) -> None:
    """Run the pip of the build environment."""
    command = [str(BUILD / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)


def _locked(packages: list[str]) -> str:
    """Return the lock file's entries, with hashes, of `packages` and everything that they depend on."""
    (site_packages,) = BUILD.glob("lib/python*/site-packages")
    installed = {str(canonicalize_name(found.name)): found for found in distributions(path=[str(site_packages)])}
    wanted = _with_dependencies(packages, installed)
    entries = re.split(r"\n(?=\w)", LOCK)
    return "\n".join(entry for entry in entries if canonicalize_name(entry.partition("==")[0]) in wanted) + "\n"


def _with_dependencies(packages: list[str], installed: dict[str, Distribution]) -> set[str]:
    found: set[str] = set()
    waiting = [Requirement(package) for package in packages]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name not in installed:
            continue
        found.add(name)
        dependencies = map(Requirement, installed[name].requires or ())
        extras = ("", *requirement.extras)
        waiting += [d for d in dependencies if not d.marker or any(d.marker.evaluate({"extra": e}) for e in extras)]
    return found
