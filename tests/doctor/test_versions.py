"""Versions below their floors are found."""

import pytest

from doctor.checks import versions
from doctor.probes.versions import installed_versions
from doctor.version_floors import PACKAGES, POSTGRESQL, REDIS, VALKEY, Branches, parse_version


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.11.7", (3, 11, 7)), ("27.0.1.post2", (27, 0, 1)), ("9.1rc2", (9, 1)), ("17.6", (17, 6)), ("", ())],
)
def test_a_version_is_parsed(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("branches", "version", "floor"),
    [
        (POSTGRESQL, "15.17", "15.18"),
        (POSTGRESQL, "15.18", ""),
        (POSTGRESQL, "14.23", "15.18"),
        (POSTGRESQL, "19.0", ""),
        (REDIS, "7.4.5", "7.4.6"),
        (REDIS, "7.0.15", "7.2.11"),
        (REDIS, "8.2.2", ""),
        (REDIS, "8.4.0", ""),
        (VALKEY, "8.0.2", "8.0.6"),
        (VALKEY, "9.1.2", ""),
    ],
)
def test_a_server_below_its_floor_is_found(branches: Branches, version: str, floor: str) -> None:
    causes = [problem.cause for problem in versions.server("It", version, branches)]
    assert [cause.partition(" (")[0] for cause in causes] == (
        [f"It {version} is older than {floor}"] if floor else []
    )


def test_an_old_python_is_found_unless_the_distribution_maintains_it() -> None:
    assert list(versions.python("3.11.4", is_system_python=False))
    assert list(versions.python("3.11.4", is_system_python=True)) == []
    assert list(versions.python("3.11.5", is_system_python=False)) == []


def test_an_old_openssl_and_old_packages_are_found() -> None:
    assert list(versions.openssl("1.1.1"))
    assert list(versions.openssl("3.0.19")) == []
    (problem,) = versions.packages({"gunicorn": "22.0.0", "Jinja2": "3.1.6"})
    assert problem.cause.startswith("gunicorn 22.0.0 is older than 23.0.0 (CVE-2024-6827")


def test_the_locked_packages_are_above_their_floors() -> None:
    installed = installed_versions().packages
    assert installed.keys() == PACKAGES.keys()
    assert list(versions.packages(installed)) == []
