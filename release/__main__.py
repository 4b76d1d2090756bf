"""`python -m release`: build a release into build/release."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from release.artifacts import (
    build_images,
    build_wheels,
    container_engine,
    write_checksums,
    write_licences,
    write_notes,
    write_sbom,
)
from release.locked_packages import IMAGES
from release.notes import NoSection
from release.version import ROOT, release_version

_FOLDER = ROOT / "build" / "release"


def main() -> int:
    """Build the release. Return 0, or 1 if a step failed."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--tools", type=Path, default=ROOT / ".venv-release" / "bin", metavar="FOLDER")
    parser.add_argument("--no-images", action="store_true", help="do not build images")
    arguments = parser.parse_args()
    try:
        for file in build_release(_FOLDER, arguments.tools.absolute()):
            sys.stdout.write(f"{file.relative_to(ROOT)}\n")
        if not arguments.no_images:
            _build_images()
    except (NoSection, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"the release was not built: {error}\n")
        return 1
    return 0


def build_release(folder: Path, tools: Path) -> list[Path]:
    """Write the files of the release into `folder`, whose content is deleted first, and return their paths."""
    version = release_version()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_notes(version, folder)
    build_wheels(folder, tools)
    for image in IMAGES:
        write_sbom(image, version, folder, tools)
        write_licences(image, version, folder, tools)
    write_checksums(folder)
    return sorted(folder.iterdir())


def _build_images() -> None:
    engine = container_engine()
    if engine is None:
        sys.stdout.write("no images: neither docker nor podman runs here\n")
        return
    for name in build_images(engine, release_version()):
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    sys.exit(main())
