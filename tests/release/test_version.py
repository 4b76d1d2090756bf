"""The version is in pyproject.toml. What is published alone repeats it."""

import json
import re
import tomllib

import pytest

from release.version import ROOT, release_version


def test_the_version_follows_semantic_versioning() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[a-z0-9.]+)?", release_version())


@pytest.mark.parametrize("name", ["sallyport-client", "sallyport-service"])
def test_a_package_for_python_has_the_version(name: str) -> None:
    project = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == release_version()


@pytest.mark.parametrize("file", ["client/package.json", "client/packages/client/package.json"])
def test_a_package_for_node_has_the_version(file: str) -> None:
    assert json.loads((ROOT / file).read_text(encoding="utf-8"))["version"] == release_version()


def test_the_sample_for_kubernetes_uses_the_images_of_the_version() -> None:
    overlay = (ROOT / "deploy" / "kubernetes" / "overlays" / "production" / "kustomization.yaml").read_text()
    assert set(re.findall(r"newTag: ([^}\s]+)", overlay)) == {release_version()}
