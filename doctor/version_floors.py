"""The oldest versions without a known vulnerability that concerns this system, each with the reason.

Reviewed on 2026-11-29. A floor is no advice to stay there: newer fixes are in newer releases.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """The oldest acceptable version of a branch, and why older ones are not."""

    version: Version
    reason: str


@dataclass(frozen=True, slots=True)
class Branches:
    """The floors of a program, by the first numbers of a version; a branch that is missing gets no fixes any more.

    Branches after the last one listed are accepted: they began with the fixes.
    """

    floors: Mapping[Version, Floor]

    def floor_of(self, version: Version) -> Floor | None:
        """Return the floor that `version` has to reach; None if its branch is newer than every one listed."""
        for branch, floor in self.floors.items():
            if version[: len(branch)] == branch:
                return floor
        newest = max(self.floors)
        if version > newest:
            return None
        oldest_supported = self.floors[min(branch for branch in self.floors if branch > version)]
        return Floor(oldest_supported.version, "its branch gets no security fixes any more")


def _branches(reason: str, *versions: Version, branch_length: int) -> Branches:
    return Branches({version[:branch_length]: Floor(version, reason) for version in versions})


def parse_version(text: str) -> Version:
    """Return the numbers at the beginning of a version: (27, 0, 1) for 27.0.1.post2."""
    numbers = []
    for part in text.split("."):
        digits = "".join(character for character in part if character.isdigit())
        if not part[:1].isdigit():
            break
        numbers.append(int(digits if part.isdigit() else part[: len(part) - len(part.lstrip("0123456789"))]))
        if not part.isdigit():
            break
    return tuple(numbers)


PYTHON = _branches(
    "CVE-2023-40217: data sent before a TLS handshake is read as if it were encrypted",
    *((3, 11, 5), (3, 12, 0), (3, 13, 0), (3, 14, 0)),
    branch_length=2,
)
OPENSSL = Floor((3, 0, 0), "OpenSSL 1.1.1 gets no public security fixes since 2023-09-11")
POSTGRESQL = _branches(
    "CVE-2026-6473: a client with a log-in can make the server write outside its memory",
    *((15, 18), (16, 14), (17, 10), (18, 4)),
    branch_length=1,
)
"""PostgreSQL 14 has had no fixes since 2026-11-12."""
REDIS = _branches(
    "CVE-2025-49844: a client can run code in the server by a Lua script",
    *((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    branch_length=2,
)
VALKEY = _branches(
    "CVE-2025-49844: a client can run code in the server by a Lua script",
    *((7, 2, 11), (8, 0, 6), (8, 1, 4)),
    branch_length=2,
)
PACKAGES: Mapping[str, Floor] = {
    "gunicorn": Floor((23, 0, 0), "CVE-2024-6827: request smuggling by Transfer-Encoding"),
    "uvicorn": Floor((0, 11, 7), "CVE-2020-7695: response splitting"),
    "Flask": Floor((3, 1, 1), "CVE-2025-47278: session data is signed with an old key"),
    "Werkzeug": Floor((3, 0, 6), "CVE-2024-49767: forms can use up the memory"),
    "Jinja2": Floor((3, 1, 6), "CVE-2025-27516: templates can leave the sandbox"),
    "PyJWT": Floor((2, 10, 1), "CVE-2024-53861: a part of the issuer is accepted for the whole"),
    "cryptography": Floor((46, 0, 5), "CVE-2026-26007: points of elliptic curves are not checked"),
    "redis": Floor((4, 5, 5), "CVE-2023-28859: a reply can go to the wrong request"),
}
"""Packages of the services, as their distributions are named."""
