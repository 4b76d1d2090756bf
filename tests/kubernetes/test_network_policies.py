"""Pods can connect where routes and settings need it, and nowhere else."""

import tomllib
from urllib.parse import urlsplit

import pytest

from stack.plan import ROOT
from tests.kubernetes.manifests import SERVICES, Overlay, needs_tools
from tests.kubernetes.network import Peer, allows

pytestmark = needs_tools
NAME = "app.kubernetes.io/name"
PODS = (*SERVICES, "auth-migration", "resource-migration")
INGRESS = Peer({NAME: "ingress-nginx"}, "ingress-nginx")
PROMETHEUS = Peer({NAME: "prometheus"}, "monitoring")
STRANGERS = (
    Peer({NAME: "other"}, "default"),
    Peer({NAME: "sallyport-gateway"}, "default"),
    Peer({NAME: "prometheus"}, "default"),
    Peer({NAME: "other"}),
)
NEEDED = {("gateway", "auth", "http"), ("gateway", "resource", "http")}


def can_connect(overlay: Overlay, source: Peer, target: str, port: str | int) -> bool:
    """Return whether the policies of the overlay allow a connection to a pod of it."""
    policies = list(overlay.of_kind("NetworkPolicy").values())
    return allows(policies, source, pod(overlay, target), port)


def pod(overlay: Overlay, name: str) -> Peer:
    """Return a pod of the overlay."""
    return Peer(overlay.pods[name]["metadata"]["labels"])


@pytest.mark.parametrize("source", PODS)
@pytest.mark.parametrize("target", PODS)
@pytest.mark.parametrize("port", ["http", "internal"])
def test_services_connect_as_needed_only(overlay: Overlay, source: str, target: str, port: str) -> None:
    allowed = can_connect(overlay, pod(overlay, source), target, port)
    assert allowed == ((source, target, port) in NEEDED)


def test_every_upstream_of_the_routes_can_be_reached(overlay: Overlay) -> None:
    upstreams = tomllib.loads((ROOT / "gateway" / "routes.toml").read_text())["upstreams"]
    urls = [url for upstream in upstreams.values() for url in upstream["urls"]]
    assert len(urls) >= 2
    for url in urls:
        address = urlsplit(overlay.environ("gateway")[url.removeprefix("${").removesuffix("}")])
        assert can_connect(overlay, pod(overlay, "gateway"), str(address.hostname), "http")


@pytest.mark.parametrize("target", PODS)
@pytest.mark.parametrize("port", ["http", "internal"])
def test_strangers_connect_nowhere(overlay: Overlay, target: str, port: str) -> None:
    assert not [stranger for stranger in STRANGERS if can_connect(overlay, stranger, target, port)]


@pytest.mark.parametrize("target", SERVICES)
@pytest.mark.parametrize("port", ["http", "internal"])
def test_clients_reach_the_gateway_and_prometheus_the_metrics(production: Overlay, target: str, port: str) -> None:
    assert can_connect(production, INGRESS, target, port) == ((target, port) == ("gateway", "http"))
    assert can_connect(production, PROMETHEUS, target, port) == (port == "internal")


@pytest.mark.parametrize(
    ("source", "ports"),
    [
        ("gateway", {6379}),
        ("auth", {5432, 6379, 587}),
        ("resource", {5432}),
        ("auth-migration", {5432}),
        ("resource-migration", {5432}),
    ],
)
def test_pods_reach_only_their_databases(production: Overlay, source: str, ports: set[int]) -> None:
    """PostgreSQL, Redis and the mail server are outside of the namespace."""
    policies = list(production.of_kind("NetworkPolicy").values())
    outside = Peer({}, "default")
    tried = (22, 25, 53, 80, 443, 587, 5432, 6379, 8000)
    assert {port for port in tried if allows(policies, pod(production, source), outside, port)} == ports
