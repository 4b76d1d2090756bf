"""The rules are valid, each alert fires in a test of promtool and has a runbook, and every metric in use exists."""

import json
import re
from pathlib import Path

import pytest

from tests.alerts.alert_rules import ALERTS, FOLDER, ROOT, RULES, TESTS, alert_names, promtool
from tests.docs.log_events import metrics, read_modules

DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    promtool("check", "config", FOLDER / "prometheus.yml")
    promtool("check", "rules", RULES, ALERTS)


@pytest.mark.timeout(180)  # promtool computes for two seconds
def test_each_alert_is_quiet_and_then_fires() -> None:
    promtool("test", "rules", TESTS)


def test_each_alert_has_a_test_with_both_cases() -> None:
    text = TESTS.read_text(encoding="utf-8")
    for name in alert_names():
        assert f"{{alertname: {name}, eval_time:" in text, f"alerts.test.yml: {name} has no time at which it is quiet"
        assert f"- alertname: {name}\n" in text, f"alerts.test.yml: {name} has no time at which it fires"


def test_each_alert_has_a_severity_a_summary_and_a_runbook() -> None:
    text = ALERTS.read_text(encoding="utf-8")
    assert len(alert_names()) >= 20
    for alert in text.split("      - alert: ")[1:]:
        name = alert.partition("\n")[0]
        assert re.search(r"\n          severity: (page|ticket)\n", alert), name
        assert re.search(r"\n          summary: '.+'\n", alert), name
        runbook = re.search(r"\n          runbook_url: (docs/runbooks/[a-z-]+\.md)\n", alert + "\n")
        assert runbook, name
        page = (ROOT / runbook[1]).read_text(encoding="utf-8")
        assert page.startswith(f"# {name}\n")
        for heading in ("Symptom", "Meaning", "What to look at", "Cure"):
            assert f"\n## {heading}\n" in page, f"{runbook[1]}: {heading}"


def test_each_runbook_is_of_an_alert() -> None:
    pages = {page.name for page in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"docs/runbooks/([a-z-]+\.md)", ALERTS.read_text(encoding="utf-8")))


def used_names(text: str) -> set[str]:
    """Return the names of metrics and recording rules in PromQL, without the endings of histograms."""
    found = set(re.findall(r"\b(sallyport(?:_[a-z0-9]+)+|sallyport:[a-z0-9_:]+)", text))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


@pytest.mark.parametrize("file", [RULES, ALERTS, *DASHBOARDS], ids=lambda file: file.name)
def test_every_metric_that_is_used_exists(file: Path) -> None:
    recorded = set(re.findall(r"- record: (\S+)", RULES.read_text(encoding="utf-8")))
    assert not used_names(file.read_text(encoding="utf-8")) - set(metrics(read_modules())) - recorded


def test_the_dashboards_show_every_metric() -> None:
    shown = {name for file in DASHBOARDS for name in used_names(file.read_text(encoding="utf-8"))}
    shown |= used_names(RULES.read_text(encoding="utf-8"))
    assert not set(metrics(read_modules())) - shown


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_prometheus_accepts_the_queries_of_each_dashboard(file: Path, tmp_path: Path) -> None:
    panels = json.loads(file.read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]
    rules = [{"record": f"panel:query:{number}", "expr": query} for number, query in enumerate(queries)]
    as_rules = tmp_path / "rules.yml"  # JSON is YAML
    as_rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", as_rules)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_each_dashboard_is_complete_and_its_panels_do_not_overlap(file: Path) -> None:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    assert dashboard["title"].startswith("Sallyport: ")
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["targets"]
        position = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(position["x"], position["x"] + position["w"])
            for y in range(position["y"], position["y"] + position["h"])
        }
        assert not taken & cells, f"{file.name}: {panel['title']} overlaps another panel"
        assert position["x"] + position["w"] <= 24
        cells |= taken
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
