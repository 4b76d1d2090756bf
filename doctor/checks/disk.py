"""File systems that are nearly full."""

from collections.abc import Iterable, Iterator

from doctor.finding import Problem, error, warning
from doctor.probes.disk import DiskFacts

MIB = 2**20
FULL_BYTES, LOW_BYTES = 100 * MIB, 1024 * MIB
"""Free bytes below which a file system counts as full, or nearly full."""
LOW_SHARE = 0.1
"""A small file system, such as a tmpfs, is nearly full when less than this share is free."""
LOW_FILES_SHARE = 0.02


def room(disks: Iterable[DiskFacts]) -> Iterator[Problem]:
    """Return the file systems with little room."""
    for disk in disks:
        share = disk.free / disk.total if disk.total else 1.0
        where = f"The file system of {disk.folder} ({disk.purpose}) has {disk.free // MIB} MiB free ({share:.0%})"
        remedy = f"Delete what is not needed (`du -xsh {disk.folder}/*`), or enlarge it."
        if share < LOW_SHARE and disk.free < FULL_BYTES:
            yield error(f"{where}.", remedy)
        elif share < LOW_SHARE and disk.free < LOW_BYTES:
            yield warning(f"{where}.", remedy)
        elif disk.total_files and disk.free_files < LOW_FILES_SHARE * disk.total_files:
            yield warning(f"The file system of {disk.folder} has {disk.free_files} inodes left.", remedy)
