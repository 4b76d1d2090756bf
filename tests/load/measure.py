"""Measures a server under wrk: requests a second, latency, and the CPU time that its process spends on a request."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `cpu` in microseconds a request, latencies in milliseconds; `wrong` counts what was not a 2xx."""

    rate: float
    p50: float
    p99: float
    cpu: float
    wrong: int


def load(url: str, pid: int, *, token: str, connections: int, seconds: int) -> Run:
    """Has one wrk thread ask for `url` over `connections` connections, and watches the process `pid`."""
    before = _cpu(pid)
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "-H",
        f"Authorization: Bearer {token}",
        url,
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    requests = int(_found(r"(\d+) requests in", said))
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Run(
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50=_milliseconds(_found(r"50%\s+(\S+)", said)),
        p99=_milliseconds(_found(r"99%\s+(\S+)", said)),
        cpu=(_cpu(pid) - before) / max(requests, 1),
        wrong=int(wrong[1]) if wrong else 0,
    )


def medians(runs: list[Run]) -> Run:
    """The median of each figure; wrong answers are added up."""
    return Run(
        rate=median(run.rate for run in runs),
        p50=median(run.p50 for run in runs),
        p99=median(run.p99 for run in runs),
        cpu=median(run.cpu for run in runs),
        wrong=sum(run.wrong for run in runs),
    )


def table(results: Mapping[str, Run], base: str) -> str:
    """The results as Markdown, each also as a ratio to `base`."""
    lines = ["| | requests/s | x | CPU us | x | p50 ms | p99 ms | wrong |", "|---|---|---|---|---|---|---|---|"]
    of = results[base]
    for name, run in results.items():
        lines.append(
            f"| {name} | {run.rate:,.0f} | {run.rate / of.rate:.2f} | {run.cpu:.0f} | {run.cpu / of.cpu:.2f}"
            f" | {run.p50:.2f} | {run.p99:.2f} | {run.wrong} |"
        )
    return "\n".join(lines)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"wrk said nothing like {pattern!r}:\n{text}")
    return match[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # wrk's own form
    return float(number) * _UNITS[unit]
