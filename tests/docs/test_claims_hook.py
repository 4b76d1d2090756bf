"""The function of docs/claims-hook.md is a claims hook, and the page names every reserved claim."""

import re
from collections.abc import Mapping
from typing import Any

from auth_service.events.client import Client
from auth_service.tokens.claims_hook import ClaimsHook
from contract.claims import MAX_EXTRA_CLAIMS, RESERVED_CLAIMS
from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "claims-hook.md").read_text(encoding="utf-8")


def test_the_function_of_the_page_works() -> None:
    names: dict[str, Any] = {}
    exec(PAGE.split("```python\n")[1].split("```")[0], names)
    hook = ClaimsHook(names["claims_for"], timeout=5)
    claims: Mapping[str, Any] = hook.claims_of("1", "ann@example.org", "", "s", "log_in", Client("", ""))
    assert claims == {"tenant": "example.org", "plan": {"seats": 3}}


def test_the_page_names_every_reserved_claim_and_the_limit() -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith("- These are refused:")]
    assert set(re.findall(r"`(\w+)`", line)) == RESERVED_CLAIMS
    assert f"{MAX_EXTRA_CLAIMS:,} bytes" in PAGE
