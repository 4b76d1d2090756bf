"""Write a report for people or as JSON."""

import json
from collections.abc import Iterator, Sequence

from doctor.deployment import SERVICES, Deployment
from doctor.examination import Report
from doctor.finding import Severity


def text_lines(report: Report, deployment: Deployment, skipped: Sequence[str]) -> Iterator[str]:
    """Yield the findings, what could not be checked, and one line about what was checked."""
    for finding in report.findings:
        yield f"{finding.problem.severity}: {finding.problem.cause}  [{finding.check}]"
        yield f"  {finding.problem.cure}"
    for reason, names in _by_reason(report).items():
        yield f"not checked: {', '.join(names)}: {reason}"
    yield _summary(report, deployment, skipped)


def json_text(report: Report, skipped: Sequence[str]) -> str:
    """Return the report as one JSON object."""
    findings = [
        {
            "check": finding.check,
            "severity": str(finding.problem.severity),
            "cause": finding.problem.cause,
            "cure": finding.problem.cure,
        }
        for finding in report.findings
    ]
    not_checked = [{"check": each.check, "reason": each.reason} for each in report.not_checked]
    parts = {"findings": findings, "not_checked": not_checked, "checked": report.checked, "skipped": list(skipped)}
    return json.dumps(parts, indent=2)


def _by_reason(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in report.not_checked:
        found.setdefault(each.reason, []).append(each.check)
    return found


def _summary(report: Report, deployment: Deployment, skipped: Sequence[str]) -> str:
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    found = f"{_number(errors, 'error')}, {_number(warnings, 'warning')}" if report.findings else "no problems"
    packages = [SERVICES[name][0] for name in deployment.environs]
    where = " and ".join(filter(None, [", ".join(packages), deployment.url])) or str(deployment.secret_folder)
    line = f"{found}; {_number(len(report.checked), 'check')} of {where}"
    if report.not_checked:
        line += f", {len(report.not_checked)} not possible"
    return f"{line}, {len(skipped)} skipped" if skipped else line


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
