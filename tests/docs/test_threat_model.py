"""docs/threat-model.md: every threat names tests that exist, and every data flow has the six letters of STRIDE."""

import re

import pytest

from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
HEADER = "| | threat | rule | held by |"
FLOWS = {
    heading: [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| [A-Z] \|", line)]
    for heading, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    if HEADER in text
}
"""The rows of each data flow: letter, threat, rule, tests."""


def test_the_page_has_the_data_flows_of_the_system() -> None:
    assert len(FLOWS) >= 9


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_has_a_threat_of_each_kind(flow: str) -> None:
    assert {letter for letter, *_ in FLOWS[flow]} == set("STRIDE")


@pytest.mark.parametrize("flow", FLOWS)
def test_each_threat_has_a_rule_and_names_tests_that_exist(flow: str) -> None:
    for _, threat, rule, held_by in FLOWS[flow]:
        assert threat
        assert rule
        tests = re.findall(r"`([^`]+)`", held_by)
        assert tests, f"{threat}: no test"
        for test in tests:
            assert re.fullmatch(r"(tests|packages/[\w-]+/tests)/[\w/]*test_\w+\.py", test), test
            text = (ROOT / test).read_text(encoding="utf-8")
            assert re.search(r"^(async )?def test_|^Test\w+ = ", text, re.MULTILINE), f"{test} has no test"
