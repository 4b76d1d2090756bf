"""Prometheus finds the services under their job names, has all rules, and the autoscaler asks for a real metric."""

import yaml
from prometheus_client import CollectorRegistry

from gateway.upstreams.metrics import UpstreamMetrics
from stack.plan import ROOT
from tests.kubernetes.manifests import KUBERNETES, SERVICES, Overlay, needs_tools
from tests.kubernetes.write_rules import TARGET, prometheus_rule

PROMETHEUS = ROOT / "deploy" / "prometheus"


@needs_tools
def test_the_jobs_are_those_that_alerts_and_dashboards_select(production: Overlay) -> None:
    jobs = {job["job_name"] for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]}
    (monitor,) = production.of_kind("ServiceMonitor").values()
    services = [
        service["metadata"]["labels"]
        for service in production.of_kind("Service").values()
        if monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]
    assert {labels[monitor["spec"]["jobLabel"]] for labels in services} == jobs
    assert len(services) == len(SERVICES)
    assert monitor["spec"]["endpoints"][0]["port"] == "internal"


@needs_tools
def test_the_operator_gets_every_rule(production: Overlay) -> None:
    (rule,) = production.of_kind("PrometheusRule").values()
    files = [yaml.safe_load((PROMETHEUS / name).read_text())["groups"] for name in ("rules.yml", "alerts.yml")]
    assert rule["spec"]["groups"] == files[0] + files[1]


def test_the_rules_are_written_from_those_of_prometheus() -> None:
    assert TARGET.read_text(encoding="utf-8") == prometheus_rule(), "python -m tests.kubernetes.write_rules"


@needs_tools
def test_the_autoscaler_asks_for_the_requests_in_flight(production: Overlay) -> None:
    registry = CollectorRegistry()
    UpstreamMetrics(registry).set_connections("notes", in_use=7, idle=2, limit=64)
    scaler = production.of_kind("HorizontalPodAutoscaler")["gateway"]["spec"]
    (metric,) = [metric["pods"]["metric"]["name"] for metric in scaler["metrics"] if metric["type"] == "Pods"]
    assert registry.get_sample_value(metric, {"upstream": "notes", "state": "in_use"}) == 7
    adapter = yaml.safe_load((KUBERNETES / "monitoring" / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["name"]["as"] == metric
    assert f'{metric}{{state="in_use",' in rule["seriesQuery"]
    assert 'state="in_use"' in rule["metricsQuery"]
