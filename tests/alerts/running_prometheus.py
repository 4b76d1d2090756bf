"""A Prometheus on loopback with the project's rules, whose windows are shortened to seconds."""

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.alerts.alert_rules import ALERTS, RULES
from tests.faults.support.polling import wait_until
from tests.ports import free_port

WINDOWS = {"5m": "10s", "10m": "12s", "30m": "15s", "1h": "20s", "6h": "25s", "3d": "30s"}
"""The window of a rule, and its length in these tests."""


class RunningPrometheus:
    """The server at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        with urllib.request.urlopen(f"{self.url}/api/v1/alerts", timeout=10) as response:
            alerts = json.load(response)["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait_for(self, alert: str, seconds: float = 90) -> None:
        """Wait until `alert` fires."""
        began = time.monotonic()
        while alert not in (firing := self.firing()):
            assert time.monotonic() - began < seconds, f"{alert} did not fire; firing: {sorted(firing)}"
            time.sleep(0.2)


@contextmanager
def running_prometheus(targets: Mapping[str, str]) -> Iterator[RunningPrometheus]:
    """Run Prometheus, which scrapes `targets` (addresses by job) and evaluates the rules every second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    with tempfile.TemporaryDirectory(prefix="sallyport-prometheus-") as name:
        folder = Path(name)
        for file in (RULES, ALERTS):
            (folder / file.name).write_text(_shortened(file.read_text(encoding="utf-8")))
        jobs = "".join(
            f"  - job_name: {job}\n    static_configs: [{{targets: ['{target}']}}]\n"
            for job, target in targets.items()
        )
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [rules.yml, alerts.yml]\nscrape_configs:\n{jobs}"
        )
        port = free_port()
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
        )
        running = RunningPrometheus(f"http://127.0.0.1:{port}")
        try:
            wait_until(lambda: _answers(running), 60)
            yield running
        finally:
            process.terminate()
            process.wait(30)


def _shortened(rules: str) -> str:
    for window, shortened in WINDOWS.items():
        rules = rules.replace(f"[{window}]", f"[{shortened}]")
    return re.sub(r"\bfor: \w+", "for: 0s", rules)


def _answers(prometheus: RunningPrometheus) -> bool:
    try:
        prometheus.firing()
    except OSError:
        return False
    return True
