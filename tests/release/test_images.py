"""Images are built by the engine that runs, with the service and the version. The engine is a program of the test."""

from pathlib import Path

import pytest

from release.artifacts import build_images, container_engine
from release.version import ROOT


def engine(folder: Path, name: str, status: int) -> Path:
    """Write a program that records its arguments; `info` has the exit status."""
    log = folder / f"{name}.log"
    program = folder / name
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] && exit {status}\necho "$@" >>{log}\n')
    program.chmod(0o755)
    return log


def test_each_image_gets_its_service_and_the_version(tmp_path: Path) -> None:
    log = engine(tmp_path, "docker", 0)
    names = build_images(str(tmp_path / "docker"), "1.2.3")
    assert names == ["sallyport-gateway:1.2.3", "sallyport-auth:1.2.3", "sallyport-resource:1.2.3"]
    services = ["gateway", "auth_service", "resource_service"]
    assert log.read_text().splitlines() == [
        f"build --build-arg SERVICE={service} --build-arg VERSION=1.2.3 --tag {name} {ROOT}"
        for service, name in zip(services, names, strict=True)
    ]


def test_an_engine_that_does_not_run_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert container_engine() is None
    engine(tmp_path, "docker", 1)
    assert container_engine() is None
    engine(tmp_path, "podman", 0)
    assert container_engine() == "podman"
    engine(tmp_path, "docker", 0)
    assert container_engine() == "docker"
