"""Start of the whole system with `python -m stack`."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from stack.plan import ROOT
from stack.settings import SECRETS
from tests.system.support.running_stack import RunningStack, Tokens, clean_environ, start_stack

EXPECTED_IN_TOUR_OUTPUT = (
    '"first_name":"Ann"',
    '"title":"First"',
    '"code": "token_invalid"',
    '"code": "no_credentials"',
    "the new access token -> 200",
    "the same successor",
    '"code":"token_not_valid"',
    '"code": "token_revoked"',
)


def output_of_failed_start(tmp_path: Path, **settings: str) -> str:
    """Return the output of a stack that cannot start; it exits with 2 and leaves no process running."""
    refused = start_stack(tmp_path, **settings)
    try:
        assert refused.process.wait(60) == 2, refused.output()
    finally:
        refused.end()
    return refused.output()


def test_the_stack_is_ready_within_15_seconds(stack: RunningStack, strict_stack: RunningStack) -> None:
    # The faster of two starts, because the machine may have been busy during one of them.
    assert min(stack.ready_after, strict_stack.ready_after) < 15


def test_only_their_owner_can_read_keys_and_databases(stack: RunningStack) -> None:
    for path in [stack.data_dir, *(stack.data_dir / secret.file for secret in SECRETS)]:
        assert stat.S_IMODE(path.stat().st_mode) in (0o700, 0o600), path
    for path in set(stack.data_dir.rglob("*")) - {stack.data_dir / "run" / "gateway.pid"}:  # gunicorn makes that 644
        assert path.is_socket() or not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_two_stacks_run_side_by_side(stack: RunningStack, strict_stack: RunningStack) -> None:
    """Neither accepts the other's tokens."""
    for running, other in ((stack, strict_stack), (strict_stack, stack)):
        access = running.login(running.register()).access
        assert running.whoami(access).status_code == 200
        assert other.whoami(access).status_code == 401


def test_a_second_stack_on_the_same_data_dir_does_not_start(stack: RunningStack, tmp_path: Path) -> None:
    output = output_of_failed_start(tmp_path, DATA_DIR=str(stack.data_dir))
    assert "DATA_DIR" in output
    assert "in use by another stack" in output


def test_wrong_settings_of_all_services_are_reported_at_once(tmp_path: Path) -> None:
    wrong = {"GATEWAY_KEEPALIVE": "long", "AUTH_WORKERS": "0", "RESOURCE_THREADS": "-1", "HASH_QUEUE": "many"}
    stack = start_stack(tmp_path, **wrong)
    try:
        assert (
            stack.process.wait(30) == 1
        )  # not 2: the services find these problems, after the stack has started them
    finally:
        stack.end()
    for name, value in wrong.items():
        assert re.search(rf"cannot start: {name} .*; got '{value}'$", stack.output(), re.MULTILINE), stack.output()
    assert "Traceback" not in stack.output()


def test_a_long_data_dir_with_spaces_works(strict_stack: RunningStack) -> None:
    assert len(str(strict_stack.data_dir)) > 100
    assert " " in str(strict_stack.data_dir)
    assert strict_stack.whoami(strict_stack.login(strict_stack.register()).access).status_code == 200


def test_the_tour_works_when_pasted_into_a_shell(stack: RunningStack) -> None:
    command = [sys.executable, "-m", "stack", "tour"]
    tour = subprocess.check_output(command, cwd=ROOT, env=stack.environ, text=True, timeout=30)
    assert f"GATEWAY={stack.url}\n" in tour
    pasted = subprocess.run(
        ["bash"], input=tour, env=clean_environ(), capture_output=True, text=True, timeout=60, check=True
    )
    assert pasted.stderr == ""
    for expected in EXPECTED_IN_TOUR_OUTPUT:
        assert expected in pasted.stdout, pasted.stdout


@pytest.mark.parametrize(
    "path", ["/api/whoami", "/auth/users/me/", "/session/", "/nowhere", "/readyz", "/a//b", "/api/notes/x/"]
)
@pytest.mark.parametrize("has_token", [True, False])
def test_a_response_body_ends_with_a_newline(stack: RunningStack, tokens: Tokens, path: str, has_token: bool) -> None:
    """A terminal shows its prompt on a new line, after every response and every error."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {tokens.access}"} if has_token else {}
        response = session.get(stack.url + path, headers=headers, timeout=30)
    assert response.content.endswith(b"}\n"), response.content
