"""docs/tutorial.md: its files and commands make an app with a log-in, whose page and service do what it says."""

import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from stack.plan import ROOT
from tests.docs.code_blocks import code_blocks
from tests.ports import free_port
from tests.system.support.running_stack import Account, RunningStack, clean_environ, end, run_stack
from tests.system.test_readme import pattern_of, wait_for_port

PAGE = "docs/tutorial.md"
SHELL = [code for _, code in code_blocks(PAGE, "sh")]
FILE_NAME = re.compile(r"^(?:#|//|<!--) ([\w./-]+)")
GUARDED = {"X-Requested-With": "fetch", "Content-Type": "application/json"}
"""The header fields that the page of the tutorial sends."""


def block(words: str) -> str:
    """Return the shell commands that contain these words."""
    (found,) = [code for code in SHELL if words in code]
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Path:
    """The folder with the files of the tutorial, and the project in `sallyport/`."""
    folder = tmp_path_factory.mktemp("shop")
    project = folder / "sallyport"
    project.mkdir()
    for part in ("chassis", "contract", "gateway", "sallyport_service"):
        (project / part).symlink_to(ROOT / part)
    (project / ".venv").symlink_to(Path(sys.executable).parents[1])
    shutil.copytree(databases, project / ".data")
    (folder / "app").mkdir()
    for _, code in code_blocks(PAGE, "python", "toml", "html", "js"):
        name = FILE_NAME.match(code)
        assert name, f"a block of {PAGE} does not begin with the name of its file"
        shipped = (ROOT / "gateway" / "routes.toml").read_text() if name[1].endswith(".toml") else ""
        (folder / name[1].rstrip(":")).write_text(shipped + code)
    return folder


@pytest.fixture(scope="module")
def tasks(shop: Path) -> Iterator[str]:
    """The URL of the service, which the commands of the tutorial start."""
    port = str(free_port())
    (shop / "routes.toml").write_text((shop / "routes.toml").read_text().replace(":9000", f":{port}"))
    create_secret, start_service = block("tasks.secret").replace("9000", port).splitlines()
    subprocess.run(["bash", "-euc", create_secret], cwd=shop, check=True)
    service = subprocess.Popen(["bash", "-euc", f"exec env {start_service}"], cwd=shop, env=clean_environ())
    try:
        wait_for_port(int(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        end(service)


@pytest.fixture(scope="module")
def stack(shop: Path, tasks: str) -> Iterator[RunningStack]:
    """The system, with the settings of the tutorial's command."""
    command = block("APP_DIR").removeprefix("cd sallyport && ")
    *assignments, make, run = shlex.split(command)
    assert (make, run) == ("make", "run")
    settings = dict(assignment.split("=", 1) for assignment in assignments)
    paths = {
        name: str(shop / value.removeprefix("../")) for name, value in settings.items() if value.startswith("..")
    }
    settings |= {"DATA_DIR": str(shop / "sallyport" / ".data"), "AUTH_WORKERS": "1", "GATEWAY_WORKERS": "1"}
    with run_stack(None, **settings | paths) as running:
        yield running


@pytest.fixture
def browser(stack: RunningStack) -> Iterator[requests.Session]:
    """A browser at the page of the tutorial."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Sec-Fetch-Site"] = "same-origin"
        yield session


def test_the_service_refuses_who_does_not_come_through_the_gateway(tasks: str) -> None:
    shown = block("X-User-Id").replace("http://127.0.0.1:9000", tasks)
    assert subprocess.check_output(["bash", "-euc", shown], text=True) == "401\n"


def test_the_routes_are_valid(shop: Path, tasks: str) -> None:
    check = block("check-routes").splitlines()[1]
    ran = subprocess.run(["bash", "-euc", check], cwd=shop, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "/tasks/" in ran.stdout


def test_a_user_registers_at_the_page_and_works_with_tasks(stack: RunningStack, browser: requests.Session) -> None:
    page = browser.get(f"{stack.url}/app/").text
    script = re.findall(r'<script src="([^"]+)"', page)
    assert script == ["/app/app.js"]
    code = browser.get(stack.url + script[0]).text
    assert browser.get(f"{stack.url}/session/").status_code == 401
    (log_in,) = re.findall(r'location.assign\("([^"]+)"\)', code)
    (register,) = re.findall(r'href="(/auth/register/[^"]*)"', browser.get(stack.url + log_in).text)

    account = {"email": f"{uuid.uuid4().hex}@example.com", "password": "behind-2-doors"}
    form = {**account, "first_name": "", "last_name": "", "next": "/app/"}
    sent = browser.post(stack.url + register.partition("?")[0], data=form, allow_redirects=False)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/app/"), sent.text
    assert browser.get(f"{stack.url}/session/").json()["user"]["email"] == account["email"]

    added = browser.post(f"{stack.url}/tasks/", json={"title": "Buy milk"}, headers=GUARDED)
    assert (added.status_code, added.json()["title"]) == (201, "Buy milk")
    assert browser.get(f"{stack.url}/tasks/", headers=GUARDED).json() == [added.json()]
    assert (
        browser.post(f"{stack.url}/tasks/", json={"title": "x"}).status_code == 403
    )  # as another site would send it
    assert browser.post(f"{stack.url}/tasks/", json={"title": ""}, headers=GUARDED).status_code == 400
    task = f"{stack.url}/tasks/{added.json()['id']}/"
    assert browser.delete(task, headers=GUARDED).status_code == 204
    assert browser.delete(task, headers=GUARDED).status_code == 404
    assert "/auth/account/log-out/" in page
    assert browser.post(f"{stack.url}/auth/account/log-out/", data={"x": "1"}).status_code == 200
    assert browser.get(f"{stack.url}/tasks/", headers=GUARDED).status_code == 401


def test_the_commands_print_what_the_page_shows(stack: RunningStack) -> None:
    shown, with_role = (code for _, code in code_blocks(PAGE, "json"))
    email = f"{uuid.uuid4().hex}@example.com"
    script = (
        block('{"title": "Buy milk"}').replace("http://127.0.0.1:8000", stack.url).replace("ann@example.com", email)
    )
    printed = subprocess.check_output(["bash", "-euc", script], text=True, env=clean_environ(), timeout=30)
    assert re.fullmatch(pattern_of(shown.replace("ann@example.com", email)), printed.replace("}403", "}\n403")), (
        printed
    )

    grant = f"{sys.executable} -m stack auth users grant -- {email} manager"
    subprocess.run(shlex.split(grant), cwd=ROOT, env=stack.environ, check=True, timeout=60)
    account = Account("", email, "behind-2-doors")
    figures = stack.send("GET", "/tasks/figures/", stack.login(account).access)
    assert figures.json().keys() == {"owners", "tasks"}
    assert re.sub(r"\d+", "1", figures.text).strip() == with_role.strip()
