"""Render an overlay of deploy/kubernetes with kubectl, and read the manifests."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.deployment_secrets import make_deployment_secrets
from stack.plan import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("development", "production")
SERVICES = ("gateway", "auth", "resource")
ENVIRONMENT = "KUBERNETES_TOOLS"
"""The variable with the folder of kubectl and kubernetes-validate."""

needs_tools = pytest.mark.skipif(
    ENVIRONMENT not in os.environ, reason="needs kubectl and kubernetes-validate: make test-kubernetes"
)

Manifest = dict[str, Any]


def tool(name: str) -> str:
    """Return the path of a program that `make test-kubernetes` installs."""
    return str(Path(os.environ[ENVIRONMENT]).absolute() / name)


@dataclass(frozen=True)
class Overlay:
    """An overlay: the YAML that kubectl renders, and the folder of the secrets in it."""

    name: str
    text: str
    secrets: Path

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        """Return all manifests."""
        return tuple(yaml.safe_load_all(self.text))

    def of_kind(self, kind: str) -> dict[str, Manifest]:
        """Return the manifests of a kind, by their names."""
        return {manifest["metadata"]["name"]: manifest for manifest in self.manifests if manifest["kind"] == kind}

    @cached_property
    def pods(self) -> dict[str, Manifest]:
        """Return the pod templates of Deployments and Jobs, by the names of these."""
        owners = self.of_kind("Deployment") | self.of_kind("Job")
        return {name: owner["spec"]["template"] for name, owner in owners.items()}

    def environ(self, name: str) -> dict[str, str]:
        """Return the environment of the container in the pod `name`."""
        container = only_container(self.pods[name])
        maps = self.of_kind("ConfigMap")
        environ: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            environ |= maps[source["configMapRef"]["name"]]["data"]
        return environ | {variable["name"]: variable["value"] for variable in container.get("env", ())}

    def files(self, name: str) -> dict[str, str]:
        """Return what is mounted into the pod `name`: the text of each file, by its path in the container."""
        pod = self.pods[name]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        files = {}
        for mount in only_container(pod)["volumeMounts"]:
            for file, text in self._content(volumes[mount["name"]]).items():
                files[f"{mount['mountPath']}/{file}"] = text
        return files

    def _content(self, volume: Manifest) -> dict[str, str]:
        if "configMap" in volume:
            data: dict[str, str] = self.of_kind("ConfigMap")[volume["configMap"]["name"]]["data"]
            return data
        if "secret" in volume:
            return dict.fromkeys(self.of_kind("Secret")[volume["secret"]["secretName"]]["data"], "")
        return {}


def only_container(pod: Manifest) -> Manifest:
    """Return the container of a pod template, which has one."""
    (container,) = pod["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def render(name: str, folder: Path) -> Overlay:
    """Render the overlay `name` from a copy of deploy/kubernetes in `folder`, with new secrets."""
    copy = folder / "kubernetes"
    shutil.copytree(KUBERNETES, copy, ignore=shutil.ignore_patterns("secrets"))
    secrets = copy / "overlays" / name / "secrets"
    make_deployment_secrets(secrets)
    (secrets / "redis.url").write_text("redis://redis.example.com:6379/0")
    command = [tool("kubectl"), "kustomize", str(copy / "overlays" / name)]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (rendered.returncode, rendered.stderr) == (0, "")
    return Overlay(name, rendered.stdout, secrets)
