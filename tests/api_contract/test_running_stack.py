"""Every response of a running stack is as its OpenAPI document says. `make test-contract` runs this."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.system.support.running_stack import PASSWORD, RunningStack, run_stack

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SETTINGS = {
    # Passwords are no part of this: with the default cost, hashing would take most of the time.
    "ARGON2_TIME_COST": "1",
    "ARGON2_MEMORY_COST": "8",
    "LOG_LEVEL": "ERROR",
    "ACCESS_LOG": "off",
    "SEND_ACTIVATION_EMAIL": "on",
    # More requests than a person sends. Some still get 429.
    "LOGIN_FAILURES": "100000/minute",
    "LOGIN_FAILURES_PER_ACCOUNT": "100000/minute",
    "LOGIN_FAILURES_PER_ADDRESS": "100000/minute",
    "STEP_UP_MAX_AGE": "86400",
}

pytestmark = pytest.mark.skipif(
    "SCHEMATHESIS" not in os.environ, reason="takes six minutes and needs schemathesis: make test-contract"
)


def _add_account(stack: RunningStack, name: str, *roles: str) -> tuple[dict[str, str], str]:
    """Create an active account with a command of the auth service. Return its credentials and its id."""
    email = f"{name}@example.com"
    command = [sys.executable, "-m", "stack", "auth", "users", "create", email, *roles]
    created = subprocess.run(
        command, cwd=ROOT, env=stack.environ, input=f"{PASSWORD}\n", text=True, check=True, stdout=subprocess.PIPE
    )
    return {"email": email, "password": PASSWORD}, created.stdout.split()[-1]


def test_every_response_is_as_the_document_says() -> None:
    """200 examples an operation, all checks: no 5xx, no undocumented status, no schema mismatch."""
    with run_stack(**SETTINGS) as stack:
        accounts = {
            "staff": _add_account(stack, "staff", "--role", "staff"),
            "user": _add_account(stack, "user"),
            "leaving": _add_account(stack, "leaving"),
        }
        environ = {
            **os.environ,
            "CONTRACT_URL": stack.url,
            "CONTRACT_ACCOUNTS": json.dumps({name: credentials for name, (credentials, _) in accounts.items()}),
            "CONTRACT_IDS": " ".join(user_id for _, user_id in accounts.values()),
            "SCHEMATHESIS_HOOKS": "tests.api_contract.hooks",
            "PYTHONPATH": str(ROOT),
        }
        options = ["--checks", "all", "--max-examples", os.environ["EXAMPLES"]]
        options += ["--phases", "examples,coverage,fuzzing", "--workers", "2"]
        run = [os.environ["SCHEMATHESIS"], "--config-file", str(CONFIGURATION), "run", f"{stack.url}/openapi.json"]
        assert subprocess.run([*run, *options], cwd=ROOT, env=environ, check=False).returncode == 0
