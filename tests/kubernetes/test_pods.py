"""Pods are hardened, their probes and ports are those of the services, and they stop without losing a request."""

import pytest
from flask import Flask

from chassis.health import health_blueprint
from chassis.startup import SERVING
from tests.kubernetes.manifests import SERVICES, Overlay, needs_tools, only_container

pytestmark = needs_tools
BINDS = {"gateway": "GATEWAY", "auth": "AUTH", "resource": "RESOURCE"}


def test_every_pod_is_hardened(overlay: Overlay) -> None:
    assert set(overlay.pods) >= {*SERVICES, "auth-migration", "resource-migration"}
    for name, pod in overlay.pods.items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert only_container(pod)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert "memory" in only_container(pod)["resources"]["limits"], name


def test_the_services_run_as_the_user_of_their_image(overlay: Overlay) -> None:
    for name in (*SERVICES, "auth-migration", "resource-migration"):
        context = overlay.pods[name]["spec"]["securityContext"]
        assert {context["runAsUser"], context["runAsGroup"], context["fsGroup"]} == {10001}


def test_no_service_link_is_taken_for_a_setting(overlay: Overlay) -> None:
    """The Service gateway would set GATEWAY_PORT to tcp://10.0.0.1:8000 in every pod."""
    assert {pod["spec"]["enableServiceLinks"] for pod in overlay.pods.values()} == {False}


def test_only_the_user_of_a_pod_reads_its_secrets(overlay: Overlay) -> None:
    volumes = [volume for pod in overlay.pods.values() for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert len(volumes) >= 5
    assert {volume["secret"]["defaultMode"] for volume in volumes} == {0o440}


def test_secrets_are_mounted_without_sub_path_so_that_they_are_replaced_in_running_pods(overlay: Overlay) -> None:
    mounts = [mount for pod in overlay.pods.values() for mount in only_container(pod)["volumeMounts"]]
    assert not [mount for mount in mounts if "subPath" in mount]
    assert {"gateway", "auth", "resource"} <= overlay.of_kind("Secret").keys(), "names without a hash"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_those_on_which_the_service_listens(overlay: Overlay, name: str) -> None:
    environ = overlay.environ(name)
    ports = {port["name"]: port["containerPort"] for port in only_container(overlay.pods[name])["ports"]}
    assert environ[f"{BINDS[name]}_BIND"] == f"0.0.0.0:{ports['http']}"
    assert environ[f"{BINDS[name]}_INTERNAL_BIND"] == f"0.0.0.0:{ports['internal']}"
    service = overlay.of_kind("Service")[name]["spec"]
    assert {port["name"]: port["targetPort"] for port in service["ports"]} == {"http": "http", "internal": "internal"}
    assert {port["name"]: port["port"] for port in service["ports"]} == ports
    assert service["selector"].items() <= overlay.pods[name]["metadata"]["labels"].items()


def test_the_gateway_finds_the_services_at_their_names(overlay: Overlay) -> None:
    environ = overlay.environ("gateway")
    for name, url in (("auth", environ["AUTH_URL"]), ("resource", environ["RESOURCE_URL"])):
        ports = overlay.of_kind("Service")[name]["spec"]["ports"]
        (port,) = [port["port"] for port in ports if port["name"] == "http"]
        assert url == f"http://{name}:{port}"


@pytest.mark.parametrize("name", SERVICES)
def test_probes_ask_the_health_endpoints(overlay: Overlay, name: str) -> None:
    container = only_container(overlay.pods[name])
    requested = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert requested == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_services_have_the_health_endpoints(path: str) -> None:
    app = Flask(__name__)
    app.register_blueprint(health_blueprint({}))
    assert app.test_client().get(path).status_code == 200


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_has_the_time_to_end_its_requests(overlay: Overlay, name: str) -> None:
    pod = overlay.pods[name]["spec"]
    container = only_container(overlay.pods[name])
    if name == "gateway":  # it fails /readyz first, and listens meanwhile
        before = float(overlay.environ(name)["GATEWAY_NOTICE"])
    else:
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    readiness = container["readinessProbe"]
    assert before > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] > before + SERVING["graceful_timeout"]


def test_an_update_stops_no_pod_before_a_new_one_is_ready(overlay: Overlay) -> None:
    for name in SERVICES:
        assert overlay.of_kind("Deployment")[name]["spec"]["strategy"] == {
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}
        }


def test_every_service_has_a_disruption_budget_and_an_autoscaler(overlay: Overlay) -> None:
    for name in SERVICES:
        labels = overlay.pods[name]["metadata"]["labels"]
        budget = overlay.of_kind("PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"].items() <= labels.items()
        scaler = overlay.of_kind("HorizontalPodAutoscaler")[name]["spec"]
        assert scaler["scaleTargetRef"]["name"] == name
        assert "replicas" not in overlay.of_kind("Deployment")[name]["spec"], "it would undo the autoscaler's choice"


def test_in_production_every_service_has_two_pods_that_are_spread(production: Overlay) -> None:
    for name in SERVICES:
        assert production.of_kind("HorizontalPodAutoscaler")[name]["spec"]["minReplicas"] >= 2
        spread = production.pods[name]["spec"]["topologySpreadConstraints"]
        assert [rule["topologyKey"] for rule in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        for rule in spread:
            labels = production.pods[name]["metadata"]["labels"]
            assert rule["labelSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(("name", "package"), [("auth", "auth_service"), ("resource", "resource_service")])
def test_jobs_migrate_the_databases(overlay: Overlay, name: str, package: str) -> None:
    container = only_container(overlay.pods[f"{name}-migration"])
    assert container["command"] == ["python", "-m", package, "migrate"]
    assert container["image"] == only_container(overlay.pods[name])["image"]
    assert container["envFrom"] == only_container(overlay.pods[name])["envFrom"]
