"""Measure the free room of the file systems that services write to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.metrics.multiprocess import metrics_location

Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """Free and total bytes and files of the file system of `folder`, which `purpose` describes.

    `total_files` is 0 on a file system that has no limit.
    """

    purpose: str
    folder: Path
    free: int
    total: int
    free_files: int
    total_files: int


def disks_of(environs: Mapping[str, Environ]) -> tuple[DiskFacts, ...]:
    """Return the file systems of the folders that exist, each once."""
    found: dict[int, DiskFacts] = {}
    for purpose, folder in _folders(environs):
        if folder.is_dir():
            found.setdefault(folder.stat().st_dev, disk_of(purpose, folder))
    return tuple(found.values())


def disk_of(purpose: str, folder: Path) -> DiskFacts:
    """Return the state of the file system of `folder`."""
    state = os.statvfs(folder)
    return DiskFacts(
        purpose,
        folder,
        state.f_bavail * state.f_frsize,
        state.f_blocks * state.f_frsize,
        state.f_favail,
        state.f_files,
    )


def _folders(environs: Mapping[str, Environ]) -> list[tuple[str, Path]]:
    folders = [("metrics", metrics_location())]
    for environ in environs.values():
        url = environ.get("DATABASE_URL", "")
        if url.startswith("sqlite:///"):
            folders.append(("the database", Path(url.removeprefix("sqlite:///")).parent))
        if folder := environ.get("DATA_DIR"):
            folders.append(("DATA_DIR", Path(folder)))
    return folders
