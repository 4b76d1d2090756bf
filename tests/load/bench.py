"""`make bench`: what a request costs at the gateway, beside nginx, HAProxy, Envoy and gateways as usually written.

Every server does the same work in the same run, turn by turn, so that noise hits all alike; figures are medians, and
what counts are the ratios. Everything is on loopback and is ended by its pid. Exit status: 1 where an answer was
wrong or a server did not serve, 130 after Ctrl-C.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.load.contest import Contest, Progress, hold
from tests.load.install import Missing, install_tools
from tests.load.peers import PEERS
from tests.load.processes import NotServing, allow_many_files, end_as_by_ctrl_c
from tests.load.report import Report, Table, as_markdown, tables_of, write
from tests.load.sessions import KINDS, compare_sessions
from tests.load.tokens import Signer
from tests.load.workloads import WORKLOADS, make_supplies

NAMES = (*(workload.name for workload in WORKLOADS), *KINDS)


def main() -> int:
    """Measures, prints the tables, and writes them to a folder with the figures and a chart."""
    asked = _arguments()
    allow_many_files()
    end_as_by_ctrl_c()
    try:
        install_tools()
        report = measure(asked)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; everything that was started has been ended\n")
        return 130
    except (Missing, NotServing) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(as_markdown(report))
    write(report, asked.out, into_docs=asked.write_docs)
    wrong = [f"{table.title}: {row.server}: {row.run.oddity}" for table in report.tables for row in table.wrong_rows]
    sys.stderr.write("".join(f"wrong answers: {line}\n" for line in wrong))
    return 1 if wrong else 0


def measure(asked: argparse.Namespace) -> Report:
    """Of all that was asked for."""
    workloads = [workload for workload in WORKLOADS if workload.name in asked.work]
    kinds = [kind for kind in KINDS if kind in asked.work]
    left_out = {peer.name: reason for peer in PEERS if (reason := peer.lacks())}
    contest = Contest([peer for peer in PEERS if peer.name not in left_out], asked.rounds, asked.seconds, left_out)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers read in it as another user
        progress = Progress(contest.turns(workloads) + 2 * asked.rounds * len(kinds))
        tables: list[Table] = []
        if workloads:
            signer = Signer()
            sys.stderr.write("signing tokens\n")
            supplies = make_supplies(folder, signer, rounds=asked.rounds, many=asked.tokens, turn=asked.unseen)
            tables += tables_of(workloads, hold(contest, workloads, supplies, signer, progress))
        if kinds:
            tables += compare_sessions(folder, kinds, asked.rounds, asked.seconds, progress, left_out)
    return Report(asked.rounds, asked.seconds, asked.tokens, tuple(tables), left_out, _tokens(left_out))


def _tokens(left_out: Mapping[str, str]) -> dict[str, str]:
    return {peer.name: peer.tokens for peer in PEERS if peer.name not in left_out}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--work", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, help="turns for each server (5)")
    parser.add_argument("--seconds", type=int, help="length of a turn (2)")
    parser.add_argument("--quick", action="store_true", help="one round of a second, with fewer tokens")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where the report goes (build/bench)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables and the chart into docs/ as well")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (1 if asked.quick else 5)
    asked.seconds = asked.seconds or (1 if asked.quick else 2)
    asked.tokens = 10_000 if asked.quick else 100_000
    asked.unseen = 1_000 if asked.quick else 8_000
    return asked


if __name__ == "__main__":
    sys.exit(main())
