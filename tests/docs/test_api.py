"""docs/api.md names every endpoint for clients, with its methods, and no other."""

import re
from pathlib import Path

from flask import Flask

from auth_service.api.blueprint import auth_api
from contract.problems import PROBLEMS

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
GATEWAY_ENDPOINTS = {"POST /session/", "GET /session/", "DELETE /session/", "POST /session/ticket"}
IMPLIED_METHODS = {"HEAD", "OPTIONS"}
"""Methods that the page does not name for each endpoint."""


def endpoints_of_the_auth_service() -> set[str]:
    app = Flask("auth", static_folder=None)
    app.register_blueprint(auth_api)
    found = set()
    for rule in app.url_map.iter_rules():
        view = getattr(app.view_functions[rule.endpoint], "view_class", None)
        if view is not None and "<name>" not in rule.rule:  # the rule with <name> answers 404 to malformed ids
            path = re.sub("<[^>]+>", "{id}", rule.rule)
            found |= {f"{method} {path}" for method in view.allow.split(", ") if method not in IMPLIED_METHODS}
    return found


def test_the_page_names_every_endpoint_and_no_other() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z]+ /[^` ]*)`", row.split(" | ")[0])}
    assert named == endpoints_of_the_auth_service() | GATEWAY_ENDPOINTS


def test_every_code_of_the_page_exists() -> None:
    (table,) = re.findall(r"\| status \|.*?\n\n", PAGE + "\n", re.DOTALL)
    codes = {code for row in table.splitlines()[2:] if row for code in re.findall(r"`(\w+)`", row.split(" | ")[1])}
    assert len(codes) > 10
    assert codes <= set(PROBLEMS)
