"""A release has wheels that install, SBOMs with every package, lists of licences, notes and right checksums."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from release.__main__ import build_release
from release.artifacts import CHECKSUMS, PACKAGES
from release.locked_packages import IMAGES, locked_packages
from release.version import release_version

VERSION = release_version()

pytestmark = [
    pytest.mark.skipif("RELEASE_TOOLS" not in os.environ, reason="needs cyclonedx-py and others: make test-release"),
    pytest.mark.timeout(300),
]


def tools() -> Path:
    """Return the folder of the programs in requirements/release.txt."""
    return Path(os.environ["RELEASE_TOOLS"]).absolute()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release."""
    folder = tmp_path_factory.mktemp("release")
    (folder / "old.txt").write_text("of an earlier release")
    build_release(folder, tools())
    return folder


def test_a_release_has_exactly_these_files(release: Path) -> None:
    wheels = {f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl" for name in PACKAGES}
    boms = {f"sallyport-{image}-{VERSION}.cdx.json" for image in IMAGES}
    licences = {f"sallyport-{image}-{VERSION}-licences.md" for image in IMAGES}
    names = {file.name for file in release.iterdir()}
    assert names == wheels | boms | licences | {f"notes-{VERSION}.md", CHECKSUMS}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_installs_and_has_the_version(release: Path, name: str, tmp_path: Path) -> None:
    module = name.replace("-", "_")
    (wheel,) = release.glob(f"{module}-*.whl")
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=60)
    python = str(bare / "bin" / "python")
    pip = [str(tools() / "python"), "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, timeout=120)
    code = f"import importlib.metadata, importlib.util as u; print(importlib.metadata.version('{name}'))"
    code += f"; print(u.find_spec('{module}').origin)"
    ran = subprocess.run(
        [python, "-c", code], cwd=tmp_path, text=True, check=True, timeout=60, stdout=subprocess.PIPE
    )
    version, origin = ran.stdout.split()
    assert version == VERSION
    assert origin.startswith(str(bare))


@pytest.mark.parametrize("image", IMAGES)
def test_an_sbom_lists_each_package_with_version_and_hashes(release: Path, image: str) -> None:
    bom = json.loads((release / f"sallyport-{image}-{VERSION}.cdx.json").read_text())
    assert bom["bomFormat"] == "CycloneDX"
    described = bom["metadata"]["component"]
    assert (described["name"], described["version"]) == (f"sallyport-{image}", VERSION)
    listed = {
        component["name"]: (
            component["version"],
            component["purl"],
            {
                entry["content"]
                for reference in component["externalReferences"]
                for entry in reference.get("hashes", ())
                if entry["alg"] == "SHA-256"
            },
        )
        for component in bom["components"]
    }
    assert listed == {
        package.name: (
            package.version,
            f"pkg:pypi/{package.name}@{package.version}",
            set(re.findall(r"--hash=sha256:(\w+)", package.text)),
        )
        for package in locked_packages(image)
    }


@pytest.mark.parametrize("image", IMAGES)
def test_a_list_of_licences_names_each_package_with_its_version(release: Path, image: str) -> None:
    text = (release / f"sallyport-{image}-{VERSION}-licences.md").read_text()
    table = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in table[2:]]
    listed = {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version, _licence, _url in rows}
    assert listed == {(package.name, package.version) for package in locked_packages(image)}
    assert not [row for row in rows if row[2] in {"", "UNKNOWN"}]


def test_the_checksums_are_those_of_every_file(release: Path) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", CHECKSUMS], cwd=release, text=True, timeout=60, stdout=subprocess.PIPE
    )
    assert checked.returncode == 0, checked.stdout
    assert len(checked.stdout.splitlines()) == len(list(release.iterdir())) - 1


def test_a_changed_file_is_noticed(release: Path) -> None:
    notes = release / f"notes-{VERSION}.md"
    text = notes.read_bytes()
    try:
        notes.write_bytes(text + b"changed")
        checked = subprocess.run(["sha256sum", "--check", "--status", CHECKSUMS], cwd=release, timeout=60)
        assert checked.returncode == 1
    finally:
        notes.write_bytes(text)
