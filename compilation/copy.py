"""The compiled copy of the gateway: what it contains, whether it is current, and how a process imports from it.

The copy is a folder of its own. Beside the sources, Python would import an extension module also after its source has
changed.
"""

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the project."""

COPY = ROOT / "build" / "compiled"
"""Where `make compile` puts the copy."""

PACKAGES = ("contract", "chassis", "gateway")
"""The packages in the copy. All of their modules are copied; those in modules.txt are also compiled."""

MODULES = Path(__file__).with_name("modules.txt")
STAMP = "compiled.stamp"
"""The file in the copy that has the digest of the sources and the Python for which they were compiled."""


def compiled_modules() -> list[str]:
    """Return the paths of the modules to compile, relative to the project, as modules.txt lists them."""
    lines = (line.partition("#")[0].strip() for line in MODULES.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def current_stamp(root: Path = ROOT) -> str:
    """Return the stamp of a copy that is compiled now: by this Python, from the sources in `root` as they are."""
    digest = hashlib.sha256(MODULES.read_bytes())
    for file in (file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))):
        digest.update(f"{file.relative_to(root)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return f"{sys.implementation.cache_tag} {digest.hexdigest()}\n"


def copy_problem(folder: Path = COPY) -> str:
    """Return why the copy in `folder` must not be used; empty if it is current."""
    try:
        stamp = (folder / STAMP).read_text("ascii")
    except FileNotFoundError:
        return f"there is no compiled gateway in {folder}: run `make compile`"
    if stamp == current_stamp():
        return ""
    return f"the compiled gateway in {folder} is older than its sources, or for another Python: run `make compile`"


def environ_of(folder: Path = COPY, root: Path = ROOT) -> dict[str, str]:
    """Return the variables with which Python imports the gateway from `folder`, other packages from `root`."""
    # Otherwise `python -m` would put the working folder, which has the sources, before PYTHONPATH.
    return {"PYTHONPATH": f"{folder}:{root}", "PYTHONSAFEPATH": "1"}
