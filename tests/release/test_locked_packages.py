"""The packages of an image are those of its lock file, without those for other systems."""

import pytest

from release.locked_packages import IMAGES, image_python, locked_packages
from release.version import ROOT

FOR_OTHERS = {"async-timeout", "tzdata"}
"""Packages for Python before 3.11.3, and for Windows."""


@pytest.mark.parametrize(("image", "service"), IMAGES.items())
def test_every_pinned_package_is_found(image: str, service: str) -> None:
    lines = (ROOT / "requirements" / f"{service}.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    found = {package.name for package in locked_packages(image)}
    assert len(found) > 15
    assert found == pinned - FOR_OTHERS


@pytest.mark.parametrize("image", IMAGES)
def test_a_package_has_its_version_and_its_hashes(image: str) -> None:
    for package in locked_packages(image):
        assert package.text.startswith(f"{package.name}=={package.version} ")
        assert package.text.count("--hash=sha256:") >= 1


def test_the_python_of_the_images_is_that_of_the_dockerfile() -> None:
    assert f"FROM python:{image_python()}-slim" in (ROOT / "Dockerfile").read_text()
