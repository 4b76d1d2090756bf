"""The services of the package's README: a section for each framework, with its files and commands."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.packages.environments import PACKAGE, make_environment
from tests.system.support.running_stack import clean_environ, end

README = (PACKAGE / "README.md").read_text(encoding="utf-8")
PORT = "9000"
"""The port in the README."""


@dataclass(frozen=True, slots=True)
class ReadmeService:
    """A section of the README."""

    heading: str
    files: dict[str, str]
    packages: list[str]
    command: str

    @property
    def name(self) -> str:
        """Return the heading as a part of a path."""
        return self.heading.lower().replace(" ", "-")


def readme_services() -> list[ReadmeService]:
    """Return the service of each section that installs and starts one."""
    sections = re.split(r"^## ", README, flags=re.MULTILINE)[1:]
    return [_service(section) for section in sections if "```sh\npip install" in section]


def _service(section: str) -> ReadmeService:
    blocks = re.findall(r"```python\n# ([\w.]+)[^\n]*\n(.*?)```", section, re.DOTALL)
    install, command = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0].splitlines()
    return ReadmeService(section.partition("\n")[0], dict(blocks), shlex.split(install)[2:], command)


def write_service(service: ReadmeService, folder: Path, wheel: Path) -> Path:
    """Follow the section in the empty `folder`. Return the folder of the environment's programs."""
    programs = make_environment(folder, wheel, service.packages)
    target = folder
    if "django" in service.packages:
        subprocess.run([str(programs / "django-admin"), "startproject", "reports", "."], cwd=folder, check=True)
        target = folder / "reports"
    for name, code in service.files.items():
        file = target / name
        file.write_text((file.read_text() if name == "settings.py" else "") + code)
    return programs


@contextmanager
def run_service(service: ReadmeService, folder: Path, programs: Path, port: int, **settings: str) -> Iterator[Path]:
    """Run the section's last command with another port. Yields the path of its output."""
    log = folder / "log"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environ = {**clean_environ(), "PATH": path, "PYTHONPATH": "", **settings}
    with log.open("wb") as output:
        process = subprocess.Popen(
            shlex.split(service.command.replace(PORT, str(port))),
            cwd=folder,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        end(process)
