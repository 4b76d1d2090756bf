"""The JavaScript of docs/streams.md resumes its event stream after the last event that it received."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.code_blocks import code_block

PAGE = "docs/streams.md"

BEFORE = """
const calls = [], waits = [];
let access = "old", responses = [];
globalThis.fetch = async (path, { headers }) => {
  calls.push(`ticket ${headers.Authorization}`);
  const response = responses.shift();
  if (response instanceof Error) throw response;
  return response;
};
globalThis.EventSource = class {
  constructor(url) { calls.push(url); globalThis.events = this; }
  addEventListener(type, listener) { this.created = listener; }
  close() { calls.push("closed"); }
};
globalThis.setTimeout = (again, milliseconds, ...values) => {
  waits.push(milliseconds);
  queueMicrotask(() => again(...values));
};
const show = (note) => calls.push(note.title);
const logIn = async () => { access = "new"; };
const ticket = (ticket) => Response.json({ ticket });
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
"""
"""Runs before the code of the page: simulated fetch and EventSource, prepared responses, timers without delay."""

SCENARIO = """
responses = [ticket("t1")];
await subscribe();
events.created({ lastEventId: "7", data: '{"title": "seventh"}' });
responses = [new TypeError("Failed to fetch"), new Response("", { status: 503, headers: { "Retry-After": "5" } }),
             new Response("", { status: 401 }), ticket("t2")];
events.onerror();
for (let turns = 0; turns < 20; turns++) await nextTurn();
console.log(JSON.stringify({ calls, waits }));
"""
"""Runs after the code of the page: an event, the end of the stream, a network error, a 503, a 401, and a ticket."""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_code_reconnects_after_an_outage_a_refusal_and_an_expired_token(tmp_path: Path) -> None:
    program = tmp_path / "page.mjs"
    program.write_text(BEFORE + code_block(PAGE, "js") + SCENARIO, encoding="utf-8")
    ran = subprocess.run(["node", program], capture_output=True, text=True, timeout=30, check=False)
    assert ran.stderr == ""
    assert json.loads(ran.stdout) == {
        "calls": [
            "ticket Bearer old",
            "/api/notes/events?ticket=t1&last_event_id=",
            "seventh",
            "closed",
            *["ticket Bearer old"] * 3,
            "ticket Bearer new",
            "/api/notes/events?ticket=t2&last_event_id=7",
        ],
        "waits": [2000, 2000, 5000],  # after the stream's end, after the network error, and Retry-After
    }
