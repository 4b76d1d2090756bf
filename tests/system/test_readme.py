"""The commands of the README and of the guides print what these pages show."""

import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import requests

from stack.plan import ROOT
from tests.docs.code_blocks import code_blocks
from tests.ports import free_port
from tests.system.support.running_stack import READY, RunningStack, clean_environ, start_stack

SERVICE_PAGE = "docs/your-own-service.md"


def pattern_of(printed: str) -> str:
    """Return a regular expression for what a page shows as printed; `…` stands for text that differs each time."""
    return re.escape(printed).replace("…", '[^"]+')


def commands_and_output(page: str) -> tuple[str, str]:
    """Return a page's commands and the output that it shows, up to the first command that does not end by itself."""
    commands, printed = "", ""
    for language, code in code_blocks(page, "sh", "json"):
        if "curl -sN" in code:
            break
        if language == "json":
            printed += code
        elif not code.startswith("make "):
            commands += code
    return commands, printed


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md"])
def test_the_commands_of_a_page_print_what_it_shows(stack: RunningStack, page: str) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    commands, printed = commands_and_output(page)
    assert printed
    script = commands.replace("http://127.0.0.1:8000", stack.url).replace("ann@example.com", email)
    ran = subprocess.run(
        ["bash", "-u"], input=script, env=clean_environ(), capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.stderr == ""
    expected = pattern_of(printed.replace("ann@example.com", email))
    assert re.fullmatch(expected, ran.stdout), f"{page} shows:\n{printed}\nand printed is:\n{ran.stdout}"


def test_the_service_of_the_guide_works_behind_the_gateway(tmp_path: Path) -> None:
    """The guide's steps work in order."""
    service, gateway = free_port(), free_port()
    for name in ("chassis", "contract", "gateway", "resource_service", "auth_service", "sallyport_service", "stack"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    for language, code in code_blocks(SERVICE_PAGE, "toml", "python"):
        (name,) = re.findall(r"^# ([\w.-]+)", code)[:1]  # the first line of each block names its file
        shipped_routes = (ROOT / "gateway" / "routes.toml").read_text() if language == "toml" else ""
        (tmp_path / name).write_text(shipped_routes + code.replace(":9000", f":{service}"))
    make_secret, start_service, *_ = (code for _, code in code_blocks(SERVICE_PAGE, "sh"))
    environ = clean_environ() | {"DATA_DIR": str(tmp_path / ".data"), "PYTHONPATH": str(tmp_path)}
    (tmp_path / ".data").mkdir()
    subprocess.run(["bash", "-euc", make_secret], cwd=tmp_path, env=environ, check=True)
    run_service = start_service.replace("9000", str(service)).splitlines()[0]
    process = subprocess.Popen(["bash", "-euc", f"exec env {run_service}"], cwd=tmp_path, env=environ)
    stack = start_stack(
        tmp_path, GATEWAY_ROUTES=str(tmp_path / "my-routes.toml"), DATA_DIR=str(tmp_path / ".data"),
        GATEWAY_PORT=str(gateway), AUTH_WORKERS="1", GATEWAY_WORKERS="1",
    )  # fmt: skip
    try:
        stack.wait_until_ready()
        account = stack.register()
        access = stack.login(account).access
        wait_for_port(service)
        assert stack.send("GET", "/reports/", access).json() == {"hello": account.email}
        assert stack.send("GET", "/reports/").status_code == 401
        direct = requests.get(f"http://127.0.0.1:{service}/reports/", headers={"X-User-Id": account.id}, timeout=30)
        assert direct.status_code == 401
    finally:
        process.terminate()
        process.wait(30)
        stack.end()
    assert READY in stack.output()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=1)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
