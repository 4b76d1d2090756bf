"""Write deploy/kubernetes/monitoring/rules.yaml from the rules for Prometheus.

The command is `python -m tests.kubernetes.write_rules`. The Prometheus Operator reads rules from an object of its
own, PrometheusRule. Kustomize cannot read the other form.
"""

from stack.plan import ROOT

TARGET = ROOT / "deploy" / "kubernetes" / "monitoring" / "rules.yaml"
HEAD = """\
# Written by `python -m tests.kubernetes.write_rules` from deploy/prometheus: do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sallyport
spec:
  groups:
"""


def prometheus_rule() -> str:
    """Return the PrometheusRule with the groups of both files of rules."""
    lines = []
    for name in ("rules.yml", "alerts.yml"):
        text = (ROOT / "deploy" / "prometheus" / name).read_text(encoding="utf-8")
        groups = text[text.index("\ngroups:\n") + len("\ngroups:\n") :]
        lines += [f"  {line}" if line else "" for line in groups.splitlines()]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(prometheus_rule(), encoding="utf-8")
