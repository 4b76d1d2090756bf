"""The README's tour prints what the README says, and its service of ten lines works behind the gateway."""

import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

import requests

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.running_stack import READY, RunningStack, clean_environ, start_stack

README = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = README.split("\n## A tour with curl\n", 1)[1].split("\nThis follows your notes", 1)[0]
SERVICE = README.split("\n## Put your own service behind it\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, *languages: str) -> list[tuple[str, str]]:
    """Each block of code in these languages: the language, and the code."""
    return re.findall(rf"```({'|'.join(languages)})\n(.*?)```", text, re.DOTALL)


def pattern_of(printed: str) -> str:
    """A regular expression of what the README shows as printed; `…` stands for what differs each time."""
    return re.escape(printed).replace("…", '[^"]+')


def test_the_tour_prints_what_the_readme_says(stack: RunningStack) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    script, shown = "", ""
    for language, code in blocks(TOUR, "sh", "json"):
        if language == "sh":
            script += code
        else:
            shown += code
    script = script.replace("http://127.0.0.1:8000", stack.url).replace("ann@example.com", email)
    ran = subprocess.run(
        ["bash", "-u"], input=script, env=clean_environ(), capture_output=True, text=True, timeout=30
    )
    assert ran.stderr == ""
    expected = pattern_of(shown.replace("ann@example.com", email))
    assert re.fullmatch(expected, ran.stdout), f"the README shows:\n{shown}\nand printed is:\n{ran.stdout}"


def test_a_service_of_ones_own_as_the_readme_makes_it(tmp_path: Path) -> None:
    """Its steps in their order, in a folder of their own; and whatever it answers has the gateway's request id."""
    service, gateway = free_port(), free_port()
    for name in ("chassis", "contract", "gateway", "resource_service", "auth_service", "stack"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    for language, code in blocks(SERVICE, "toml", "python"):
        (name,) = re.findall(r"^# ([\w.-]+)", code)[:1]
        more = (ROOT / "gateway" / "routes.toml").read_text() if language == "toml" else ""
        (tmp_path / name).write_text(more + code.replace(":9000", f":{service}"))
    make_secret, start_service, *_ = (code for _, code in blocks(SERVICE, "sh"))
    environ = clean_environ() | {"DATA_DIR": str(tmp_path / ".data"), "PYTHONPATH": str(tmp_path)}
    (tmp_path / ".data").mkdir()
    subprocess.run(["bash", "-euc", make_secret], cwd=tmp_path, env=environ, check=True)
    run_service = start_service.replace("9000", str(service)).splitlines()[0]
    process = subprocess.Popen(["bash", "-euc", f"exec {run_service}"], cwd=tmp_path, env=environ)
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
        missing = stack.send("GET", "/reports/none", access)
        assert missing.status_code == 404
        assert missing.json()["request_id"] == missing.headers["X-Request-Id"]
        direct = requests.get(f"http://127.0.0.1:{service}/reports/", headers={"X-User-Id": account.id}, timeout=5)
        assert direct.status_code == 401
    finally:
        process.terminate()
        process.wait(10)
        stack.end()
    assert READY in stack.said()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=1)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
