"""Every manifest follows the schema of its API, strictly: no unknown field, in the oldest and the newest release."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.kubernetes.manifests import Overlay, needs_tools, tool

pytestmark = needs_tools
WITHOUT_SCHEMA = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus Operator. kubernetes-validate has schemas of Kubernetes itself only."""


def validate(file: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Compare the manifests in `file` with the schemas of a release of Kubernetes."""
    command = [tool("kubernetes-validate"), "--strict", "--kubernetes-version", version, str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_manifest_follows_its_schema(overlay: Overlay, version: str, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(overlay.text)
    result = validate(file, version)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    unknown = set(re.findall(r"Couldn't find schema for kind (\w+)", output))
    assert unknown == (WITHOUT_SCHEMA if overlay.name == "production" else set())
    without = sum(manifest["kind"] in WITHOUT_SCHEMA for manifest in overlay.manifests)
    assert len(re.findall(r"passed for resource", output)) == len(overlay.manifests) - without


def test_an_unknown_field_is_noticed(production: Overlay, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(production.text.replace("readinessProbe:", "readyProbe:", 1))
    assert validate(file, "1.37").returncode != 0
