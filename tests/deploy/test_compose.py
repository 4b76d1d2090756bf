"""The system of docker-compose.yml, started by `make up`: healthy, hardened, scaled, updated, and after kills."""

import json
import subprocess
import time

import pytest

from stack.plan import ROOT
from stack.tour import make_tour
from tests.deploy.composed_system import ComposedSystem
from tests.deploy.engine import Engine
from tests.faults.support.figures import AddFigure
from tests.faults.support.steady_traffic import LOGIN, REFRESH, SteadyTraffic
from tests.system.support.running_stack import Client

pytestmark = pytest.mark.system

SERVICES = ("balancer", "gateway", "auth", "resource", "postgres", "redis")
IMAGES = {"sallyport-gateway": "gateway", "sallyport-auth": "auth_service", "sallyport-resource": "resource_service"}


def test_up_ends_when_every_service_is_healthy(system: ComposedSystem) -> None:
    for service in SERVICES:
        for container in system.containers(service):
            assert system.inspect(container)["State"]["Health"]["Status"] == "healthy", service
    assert [len(system.containers(service)) for service in SERVICES] == [1, 2, 2, 1, 1, 1]
    assert Client(system.url).send("GET", "/readyz").status_code == 200


def test_the_tour(system: ComposedSystem) -> None:
    result = subprocess.run(["sh"], input=make_tour(system.url, 10), capture_output=True, text=True, timeout=120)
    assert result.stderr == ""
    for line in ("the new access token -> 200", "the same successor", '"title":"First"', "token_revoked"):
        assert line in result.stdout, result.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_hardened(system: ComposedSystem, service: str) -> None:
    container = system.containers(service)[0]
    host = system.inspect(container)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] == 256
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "5"}}
    processes = system.engine.docker("top", container, "-eo", "pid,uid").splitlines()[1:]
    assert processes
    assert all(process.split()[1] != "0" for process in processes), processes


@pytest.mark.parametrize("image", IMAGES)
def test_images_are_small_and_have_labels_and_no_tools(engine: Engine, system: ComposedSystem, image: str) -> None:
    labels = json.loads(engine.docker("inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["org.opencontainers.image.title"] == f"sallyport-{IMAGES[image]}"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.version"]
    assert "org.opencontainers.image.source" in labels
    absent = (
        "for name in pip gcc cc make; do ! command -v $name || exit 1; done; ! python -c 'import pip' 2>/dev/null"
    )
    engine.docker("run", "--rm", "--network", "none", image, "sh", "-c", absent)


def test_sizes_of_the_images(engine: Engine, system: ComposedSystem, add_figure: AddFigure) -> None:
    """What an image adds to its base image."""
    base = int(engine.docker("image", "inspect", "--format", "{{.Size}}", "python:3.14-slim"))
    for image in IMAGES:
        added = int(engine.docker("image", "inspect", "--format", "{{.Size}}", image)) - base
        add_figure(f"{image} adds {added / 1e6:.0f} MB to its base image")
        assert 0 < added < 150e6


def test_more_gateways_share_the_published_port(system: ComposedSystem) -> None:
    """Each of three gateways answers requests of the one port. Then there are two again."""
    system.compose("up", "--detach", "--wait", "--no-recreate", GATEWAY_CONTAINERS="3")
    try:
        containers = system.containers("gateway")
        assert len(containers) == 3
        client = Client(system.url)
        account = client.register()
        deadline = time.monotonic() + 60
        served: set[str] = set()
        while len(served) < 3 and time.monotonic() < deadline:
            # A new connection for each request, because the balancer chooses by connection.
            visitor = Client(system.url)
            visitor.whoami(visitor.login(account).access)
            visitor.http.close()
            served = {name for name in containers if "/auth/jwt/create/" in system.engine.docker("logs", name)}
        assert served == set(containers)
    finally:
        system.compose("up", "--detach", "--wait", "--no-recreate")
    assert len(system.containers("gateway")) == 2


def test_an_update_under_requests_fails_none(system: ComposedSystem, add_figure: AddFigure) -> None:
    """`make update` replaces every container."""
    services = ("auth", "resource", "gateway")
    before = {service: set(system.containers(service)) for service in services}
    began = time.monotonic()
    with SteadyTraffic(system.url, system.url) as traffic:
        system.make("update", LOG_LEVEL="WARNING")
        report = traffic.since(began)
        after = traffic.run_for(5)
    add_figure(str(report))
    assert report.statuses() == {200}, report.failures()
    assert after.statuses() == {200}, "nobody was logged out: " + after.failures()
    for service in services:
        renewed = set(system.containers(service))
        assert len(renewed) == len(before[service])
        assert not renewed & before[service]
        assert all("LOG_LEVEL=WARNING" in system.inspect(name)["Config"]["Env"] for name in renewed)


def test_a_killed_gateway_loses_only_its_connections(system: ComposedSystem, add_figure: AddFigure) -> None:
    """Each client loses at most one request, none is refused, and the engine restarts the gateway."""
    victim = system.containers("gateway")[0]
    restarts = system.inspect(victim)["RestartCount"]
    with SteadyTraffic(system.url, system.url) as traffic:
        began = time.monotonic()
        system.kill(victim)
        system.wait_until_restarted(victim, restarts)
        during = traffic.since(began)
        after = traffic.run_for(5)
    add_figure(f"during: {during}; after: {after}")
    assert during.statuses() <= {0, 200}, during.failures()
    assert len(during.responses(0)) <= 2 * (4 + 8 + 2), "at most one per client"
    assert after.statuses() == {200}, after.failures()


def test_a_killed_auth_service_stops_no_request_with_a_valid_token(
    system: ComposedSystem, add_figure: AddFigure
) -> None:
    """Requests with an access token go on. Of the others, only those fail that the killed service had."""
    victim = system.containers("auth")[0]
    restarts = system.inspect(victim)["RestartCount"]
    with SteadyTraffic(system.url, system.url) as traffic:
        began = time.monotonic()
        system.kill(victim)
        system.wait_until_restarted(victim, restarts)
        during = traffic.since(began)
        after = traffic.run_for(5)
    add_figure(f"during: {during}; after: {after}")
    assert during.statuses("whoami", "browser") == {200}, during.failures()
    failed = [one for one in during.outcomes if one.kind in (LOGIN, REFRESH) and one.response.status != 200]
    assert len(failed) <= 2 * (8 + 1), "at most one per client"
    assert {one.response.status for one in failed} <= {502, 503, 504}, during.failures()
    assert after.statuses() == {200}, after.failures()


def test_a_failed_update_keeps_the_old_containers(system: ComposedSystem) -> None:
    before = system.containers("gateway")
    environ = {**system.engine.environ, **system.settings, "REVOCATION_FAIL": "perhaps", "TIMEOUT": "20"}
    result = subprocess.run(
        [ROOT / "deploy" / "compose" / "update.sh", "gateway"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert "the old ones go on" in result.stderr
    assert "REVOCATION_FAIL" in result.stderr, "the log names the setting"
    assert system.containers("gateway") == before
    assert Client(system.url).send("GET", "/readyz").status_code == 200


def test_the_development_file(system: ComposedSystem) -> None:
    """The mounted code runs in development mode, and PostgreSQL and Redis are published on loopback."""
    files = "docker-compose.yml:deploy/compose/development.yml"
    system.make("up", COMPOSE_FILE=files)
    home = Client(system.url).send("GET", "/")
    assert home.status_code == 200
    mounts = system.inspect(system.containers("gateway")[0])["Mounts"]
    assert {mount["Source"] for mount in mounts} >= {str(ROOT / name) for name in ("gateway", "chassis", "contract")}
    assert system.compose("port", "postgres", "5432", COMPOSE_FILE=files) == "127.0.0.1:5432"
    assert system.compose("port", "redis", "6379", COMPOSE_FILE=files) == "127.0.0.1:6379"


def test_down_keeps_the_databases(system: ComposedSystem) -> None:
    client = Client(system.url)
    account = client.register()
    system.make("down")
    assert system.engine.docker("ps", "--quiet") == ""
    system.make("up")
    client.login(account)
