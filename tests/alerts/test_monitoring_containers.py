"""deploy/compose/monitoring.yml adds Prometheus and Grafana that only this machine reaches."""

import re

from tests.alerts.alert_rules import FOLDER, ROOT

COMPOSE = (ROOT / "deploy" / "compose" / "monitoring.yml").read_text(encoding="utf-8")
PROMETHEUS = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
SCRAPED = re.findall(r'^    static_configs: \[\{targets: \["(\w+):(\d+)"', PROMETHEUS, re.MULTILINE)


def test_each_scraped_address_is_an_internal_address_of_a_container() -> None:
    binds = re.findall(r'(\w+)_INTERNAL_BIND: "0\.0\.0\.0:(\d+)"', COMPOSE)
    assert [(name.lower(), port) for name, port in binds] == SCRAPED
    assert [name for name, _ in SCRAPED] == ["gateway", "auth", "resource"]


def test_only_prometheus_and_grafana_are_published_and_only_on_this_machine() -> None:
    ports = re.findall(r"ports: \[(.*)\]", COMPOSE)
    assert len(ports) == 2
    assert all(re.fullmatch(r'"127\.0\.0\.1:\d+:\d+"', port) for port in ports)
    assert not {port for _, port in SCRAPED} & set(re.findall(r"\d+", " ".join(ports)))
