"""A service of one's own works behind the gateway in each framework, in an environment with nothing of this project.

The services are those of packages/sallyport-service/README.md, each made in an empty folder.
"""

import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from contract.identity import sign
from contract.keys import assertion_signer
from sallyport_service import Identity
from stack.plan import ROOT
from tests.packages.environments import build_wheel
from tests.packages.readme_services import ReadmeService, readme_services, run_service, write_service
from tests.ports import free_port
from tests.system.support.running_stack import RunningStack, run_stack

pytestmark = pytest.mark.timeout(240)  # seconds: installing a framework takes a while on a loaded machine

SERVICES = {service.name: service for service in readme_services()}
ANN = Identity("ann-id", "ann-session", "ann@example.com")
ROUTES = """
[upstreams.{name}]
urls = ["http://127.0.0.1:{port}"]
audience = "{audience}"
identity_secret_file = "reports.secret"

[[routes]]
prefix = "/{name}/"
upstream = "{name}"
access = "authenticated"
strip_prefix = true
"""


@dataclass(frozen=True)
class Made:
    """A service in its folder, and its port."""

    service: ReadmeService
    folder: Path
    programs: Path
    port: int


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in SERVICES}


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "reports.secret"
    file.write_text(f"{secrets.token_hex(32)}\n")
    return file


@pytest.fixture(scope="module")
def stack(ports: dict[str, int], secret_file: Path) -> Iterator[RunningStack]:
    """A stack with a route to each service, and one whose upstream has another audience."""
    routes = secret_file.with_name("routes.toml")
    added = [ROUTES.format(name=name, port=port, audience="reports") for name, port in ports.items()]
    added += [ROUTES.format(name=f"wrong-{name}", port=port, audience="other") for name, port in ports.items()]
    routes.write_text((ROOT / "gateway" / "routes.toml").read_text() + "".join(added))
    with run_stack(
        GATEWAY_ROUTES=str(routes), DATA_DIR=str(secret_file.parent), AUTH_WORKERS="1", GATEWAY_WORKERS="1"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def access(stack: RunningStack) -> str:
    return stack.login(stack.register()).access


@pytest.fixture(scope="module", params=SERVICES)
def made(
    request: pytest.FixtureRequest, wheel: Path, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    service = SERVICES[request.param]
    folder = tmp_path_factory.mktemp(service.name)
    return Made(service, folder, write_service(service, folder, wheel), ports[service.name])


@pytest.fixture(scope="module")
def running(made: Made, secret_file: Path) -> Iterator[Made]:
    settings = {"IDENTITY_SECRET_FILE": str(secret_file), "IDENTITY_AUDIENCE": "reports"}
    with run_service(made.service, made.folder, made.programs, made.port, **settings) as log:
        wait_until_listening(made.port, log)
        yield made


def wait_until_listening(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def call_directly(made: Made, headers: dict[str, str]) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{made.port}/reports/", headers=headers, timeout=30)


def test_a_service_knows_the_caller_of_a_request_through_the_gateway(
    running: Made, stack: RunningStack, access: str
) -> None:
    email = stack.whoami(access).json()["email"]
    assert stack.send("GET", f"/{running.service.name}/reports/", access).json() == {"hello": email}
    assert stack.send("GET", f"/{running.service.name}/reports/").status_code == 401


def test_a_forged_assertion_is_refused(running: Made) -> None:
    signer = assertion_signer(secrets.token_hex(32))
    forged = sign(ANN, signer=signer, audience="reports", now=time.time())
    response = call_directly(running, {"X-Identity": forged})
    assert (response.status_code, response.headers["X-Identity-Refused"]) == (401, "Token has a bad signature")


def test_unsigned_headers_identify_nobody(running: Made) -> None:
    unsigned = {
        "X-User-Id": "ann-id",
        "X-User-Email": "ann@example.com",
        "X-User-Roles": "staff",
        "X-Session-Id": "s",
    }
    response = call_directly(running, unsigned)
    assert (response.status_code, response.headers["X-Identity-Refused"]) == (401, "No assertion")


def test_a_wrong_audience_is_502_for_the_client_and_named_in_the_gateways_log(
    running: Made, stack: RunningStack, access: str
) -> None:
    response = stack.send("GET", f"/wrong-{running.service.name}/reports/", access)
    assert (response.status_code, response.json()["code"]) == (502, "identity_rejected")
    assert "X-Identity-Refused" not in response.headers
    deadline = time.monotonic() + 30
    while "Token is for another audience" not in stack.output():  # the gateway writes its log in batches
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_weak_secret_stops_the_start(made: Made) -> None:
    settings = {"IDENTITY_SECRET": "changeme", "IDENTITY_AUDIENCE": "reports"}
    with run_service(made.service, made.folder, made.programs, free_port(), **settings) as log:
        deadline = time.monotonic() + 60
        while (
            "IDENTITY_SECRET is shorter than 32 bytes: create one with `openssl rand -hex 32`" not in log.read_text()
        ):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
