"""The service of docs/your-own-service.md accepts the gateway's identity assertion and nothing else."""

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from contract.identity import sign
from contract.keys import assertion_signer
from gateway.routing.loader import parse_routes
from gateway.routing.routes import Upstream
from sallyport_service import Identity
from tests.docs.code_blocks import code_block

PAGE = "docs/your-own-service.md"
SECRET = "c2b1f6e09d8a7b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c"


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """The upstream of the page's routes file, with a secret as the page creates it."""
    monkeypatch.chdir(tmp_path)
    secrets = tmp_path / ".data"
    secrets.mkdir()
    (secrets / "reports.secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("IDENTITY_SECRET_FILE", ".data/reports.secret")
    monkeypatch.setenv("IDENTITY_AUDIENCE", "reports")
    routes = parse_routes(code_block(PAGE, "toml"), environ={}, data_dir=secrets)
    found = routes.match(b"/reports/")
    assert found is not None
    assert not found.public
    return found.upstream


def test_the_service_accepts_only_the_gateways_assertion(upstream: Upstream) -> None:
    names: dict[str, Any] = {"__name__": "reports"}
    exec(compile(code_block(PAGE, "python"), PAGE, "exec"), names)
    app = names["app"]
    assert isinstance(app, Flask)
    assert upstream.signer is not None
    identity = Identity("ann-id", "ann-session", "ann@example.com")
    assertion = sign(identity, signer=upstream.signer.current(), audience=upstream.audience, now=time.time())
    forged = sign(identity, signer=assertion_signer(SECRET[::-1]), audience=upstream.audience, now=time.time())

    client = app.test_client()
    assert client.get("/reports/", headers={"X-Identity": assertion}).get_json() == {"hello": "ann@example.com"}
    assert client.get("/reports/", headers={"X-Identity": forged}).status_code == 401
    assert client.get("/reports/", headers={"X-User-Id": "ann-id"}).status_code == 401
