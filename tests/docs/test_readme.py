"""The README keeps what it says: its service of ten lines works as it stands there."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from contract.identity import Identity, sign
from contract.keys import assertion_signer
from gateway.routing.loader import parse_routes
from gateway.routing.routes import Upstream

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECRET = "c2b1f6e09d8a7b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c"


def block(language: str) -> str:
    """The README's only block in `language`."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(found)


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """The service as the README tells the gateway about it, its secret made as the README makes it."""
    monkeypatch.chdir(tmp_path)
    secrets = tmp_path / ".data"
    secrets.mkdir()
    (secrets / "reports.secret").write_text(f"{SECRET}\n")
    routes = parse_routes(block("toml"), environ={}, data_dir=secrets)
    found = routes.match(b"/reports/")
    assert found is not None
    assert not found.public
    return found.upstream


def test_a_service_of_ten_lines_believes_the_gateway_and_nobody_else(upstream: Upstream) -> None:
    names: dict[str, Any] = {"__name__": "reports"}
    exec(compile(block("python"), "README.md", "exec"), names)
    app = names["app"]
    assert isinstance(app, Flask)
    assert upstream.signer is not None
    identity = Identity("ann-id", "ann-session", "ann@example.com")
    assertion = sign(identity, signer=upstream.signer, audience=upstream.audience, now=time.time())
    forged = sign(identity, signer=assertion_signer(SECRET[::-1]), audience=upstream.audience, now=time.time())

    client = app.test_client()
    assert client.get("/reports/", headers={"X-Identity": assertion}).get_json() == {"hello": "ann@example.com"}
    assert client.get("/reports/", headers={"X-Identity": forged}).status_code == 401
    assert client.get("/reports/", headers={"X-User-Id": "ann-id"}).status_code == 401


PAGE = """
const said = [], waits = [];
let access = "old", answers = [];
globalThis.fetch = async (path, { headers }) => {
  said.push(`ticket ${headers.Authorization}`);
  const answer = answers.shift();
  if (answer instanceof Error) throw answer;
  return answer;
};
globalThis.EventSource = class {
  constructor(url) { said.push(url); globalThis.events = this; }
  addEventListener(type, listener) { this.created = listener; }
  close() { said.push("closed"); }
};
globalThis.setTimeout = (again, milliseconds, ...values) => {
  waits.push(milliseconds);
  queueMicrotask(() => again(...values));
};
const show = (note) => said.push(note.title);
const logIn = async () => { access = "new"; };
const ticket = (ticket) => Response.json({ ticket });
const turn = () => new Promise((resolve) => setImmediate(resolve));
"""
"""What the README's page has around it: a network that answers as it is told, and a clock that does not wait."""

SCENES = """
answers = [ticket("t1")];
await subscribe();
events.created({ lastEventId: "7", data: '{"title": "seventh"}' });
answers = [new TypeError("Failed to fetch"), new Response("", { status: 503, headers: { "Retry-After": "5" } }),
           new Response("", { status: 401 }), ticket("t2")];
events.onerror();
for (let turns = 0; turns < 20; turns++) await turn();
console.log(JSON.stringify({ said, waits }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_goes_on_where_it_was_after_an_outage_a_refusal_and_an_expired_token(tmp_path: Path) -> None:
    program = tmp_path / "page.mjs"
    program.write_text(PAGE + block("js") + SCENES, encoding="utf-8")
    ran = subprocess.run(["node", program], capture_output=True, text=True, timeout=30, check=False)
    assert ran.stderr == ""
    assert json.loads(ran.stdout) == {
        "said": [
            "ticket Bearer old",
            "/api/notes/events?ticket=t1&last_event_id=",
            "seventh",
            "closed",
            *["ticket Bearer old"] * 3,
            "ticket Bearer new",
            "/api/notes/events?ticket=t2&last_event_id=7",
        ],
        "waits": [2000, 2000, 5000],
    }


def test_every_link_of_the_documents_leads_somewhere() -> None:
    root = Path(__file__).parents[2]
    for document in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} leads to {target}"
