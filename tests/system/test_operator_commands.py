"""Operator commands act on the running stack whose folder is DATA_DIR."""

import subprocess
import sys
import time
from pathlib import Path

from stack.plan import ROOT
from tests.system.support.running_stack import Client, RunningStack, run_stack


def run(stack: RunningStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m stack ARGUMENTS` with the environment of `stack`."""
    command = [sys.executable, "-m", "stack", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=dict(stack.environ), capture_output=True, text=True, check=False, timeout=30
    )


def wait_for_status(client: Client, path: str, status: int, access: str = "") -> None:
    deadline = time.monotonic() + 30
    while (response := client.send("GET", path, access)).status_code != status:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.1)


def test_reload_activates_new_routes_and_grant_gives_a_role(databases: Path, tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text((ROOT / "gateway" / "routes.toml").read_text())
    with run_stack(databases, GATEWAY_ROUTES=str(routes)) as stack:
        assert stack.send("GET", "/public/healthz").status_code == 404
        with routes.open("a") as file:
            file.write(
                '\n[[routes]]\nprefix = "/public/"\nupstream = "notes"\naccess = "public"\nstrip_prefix = true\n'
            )
        done = run(stack, "reload")
        assert done.returncode == 0, done.stderr
        wait_for_status(stack, "/public/healthz", 200)

        ann = stack.register()
        before = stack.login(ann)
        granted = run(stack, "auth", "users", "grant", ann.email, "staff")
        assert granted.returncode == 0, granted.stderr
        assert "staff" in granted.stdout
        assert stack.whoami(stack.login(ann).access).json()["roles"] == ["staff"]
        wait_for_status(stack, "/api/whoami", 401, before.access)  # a new role ends existing sessions
