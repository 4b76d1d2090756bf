"""The operator lists the upstreams of the gateways."""

import json
from pathlib import Path

from tests.auth_service.cli.conftest import Run


def test_a_gateway_that_does_not_answer_is_reported(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    environ["GATEWAY_INTERNAL_ADDRESSES"] = f"unix:{tmp_path}/none.sock"
    listed = run("gateways")
    assert listed.exit_code == 0
    assert f"unix:{tmp_path}/none.sock does not answer" in listed.stderr
    (row,) = json.loads(run("gateways", "--json").stdout)
    assert row["state"] is None


def test_a_wrong_address_stops_the_command(run: Run, environ: dict[str, str]) -> None:
    environ["GATEWAY_INTERNAL_ADDRESSES"] = "http://gateway"
    refused = run("gateways")
    assert (refused.exit_code, "host:port or unix:/path" in refused.output) == (2, True)
