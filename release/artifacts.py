"""The files of a release. Each function writes some, with the tools of requirements/release.txt."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from release.locked_packages import IMAGES, locked_packages
from release.notes import release_notes
from release.version import ROOT

PACKAGES = ("sallyport-client", "sallyport-service")
CHECKSUMS = "SHA256SUMS"


def build_wheels(folder: Path, tools: Path) -> None:
    """Build the wheels of packages/."""
    command = [str(tools / "python"), "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    sources = [str(ROOT / "packages" / name) for name in PACKAGES]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(folder), *sources], check=True)


def write_sbom(image: str, version: str, folder: Path, tools: Path) -> None:
    """Write the SBOM of an image: its Python packages, each with its version and the hashes of its files."""
    requirements = "\n".join(package.text for package in locked_packages(image))
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "pyproject.toml"  # what the SBOM describes
        project.write_text(f'[project]\nname = "sallyport-{image}"\nversion = "{version}"\n', encoding="utf-8")
        command = [str(tools / "python"), "-W", "ignore", "-m", "cyclonedx_py", "requirements", "-"]
        target = folder / f"sallyport-{image}-{version}.cdx.json"
        options = ["--pyproject", str(project), "--output-reproducible", "--output-file", str(target)]
        subprocess.run([*command, *options], input=requirements, text=True, check=True)


def write_licences(image: str, version: str, folder: Path, tools: Path) -> None:
    """Write the list of the licences of an image's Python packages, which this environment has too."""
    names = [package.name for package in locked_packages(image)]
    command = [str(tools / "pip-licenses"), "--python", sys.executable, "--format", "markdown", "--with-urls"]
    target = folder / f"sallyport-{image}-{version}-licences.md"
    listed = subprocess.run([*command, "--packages", *names], check=True, text=True, stdout=subprocess.PIPE).stdout
    target.write_text(
        f"# Licences of the Python packages in sallyport-{image} {version}\n\n{listed}", encoding="utf-8"
    )


def write_notes(version: str, folder: Path) -> None:
    """Write the notes of the release. Raises NoSection."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (folder / f"notes-{version}.md").write_text(release_notes(changelog, version), encoding="utf-8")


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of each file in `folder`, in the form that `sha256sum --check` reads."""
    files = sorted(file for file in folder.iterdir() if file.name != CHECKSUMS)
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def container_engine() -> str | None:
    """Return the command of a container engine that runs: docker or podman; None if there is none."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and not subprocess.run([engine, "info"], capture_output=True, timeout=60).returncode:
            return engine
    return None


def build_images(engine: str, version: str) -> list[str]:
    """Build the images and return their names."""
    names = []
    for image, service in IMAGES.items():
        name = f"sallyport-{image}:{version}"
        arguments = ["--build-arg", f"SERVICE={service}", "--build-arg", f"VERSION={version}"]
        subprocess.run([engine, "build", *arguments, "--tag", name, str(ROOT)], check=True)
        names.append(name)
    return names
