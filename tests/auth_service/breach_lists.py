"""Small lists of breached passwords, in the two forms in which haveibeenpwned.com publishes the long one."""

import hashlib
from collections.abc import Mapping
from pathlib import Path


def sha1(password: str) -> str:
    """Return the hash of a password as the list has it."""
    return hashlib.sha1(password.encode()).hexdigest().upper()


def padding(number: int) -> dict[str, int]:
    """Return `number` other passwords, so that a search takes several steps."""
    return {f"another password {index}": index + 1 for index in range(number)}


def write_file(path: Path, counts: Mapping[str, int]) -> Path:
    """Write one file, sorted by hash."""
    lines = sorted(f"{sha1(password)}:{count}\r\n" for password, count in counts.items())
    path.write_bytes("".join(lines).encode())
    return path


def write_folder(path: Path, counts: Mapping[str, int]) -> Path:
    """Write a folder with a file for each range. As published, the last line has no end."""
    path.mkdir(exist_ok=True)
    ranges: dict[str, list[str]] = {}
    for password, count in counts.items():
        digest = sha1(password)
        ranges.setdefault(digest[:5], []).append(f"{digest[5:]}:{count}")
    for prefix, lines in ranges.items():
        (path / f"{prefix}.txt").write_bytes("\r\n".join(sorted(lines)).encode())
    return path
