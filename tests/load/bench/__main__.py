"""`make bench`: compare the cost of a request at the gateway with nginx, HAProxy, Envoy and hand-written gateways.

Every server does the same work in the same run, in turns, so that other load on the machine affects all. Figures are
medians; compare the ratios. All servers listen on loopback and are stopped at the end. Exit status: 1 for a wrong
response or a server that did not start, 130 after Ctrl-C.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.load.bench.comparison import Comparison, compare
from tests.load.bench.promises import promise_lines
from tests.load.bench.report import Report, as_markdown, write
from tests.load.bench.session_kinds import KINDS, TURNS
from tests.load.bench.sessions import compare_sessions
from tests.load.bench.tables import Table, tables_of
from tests.load.measuring.command import read_options, run_measurement
from tests.load.measuring.processes import NotServing
from tests.load.measuring.progress import Progress
from tests.load.measuring.supplies import make_supplies
from tests.load.measuring.tokens import Signer
from tests.load.measuring.workloads import WORKLOADS
from tests.load.peers import PEERS, Peer, earlier

NAMES = (*(workload.name for workload in WORKLOADS), *KINDS)


def report_on(options: argparse.Namespace) -> list[str]:
    """Measure, print the tables, and write them to a folder with the figures and a chart. Return the problems."""
    report = measure(options)
    sys.stdout.write(as_markdown(report))
    write(report, options.out, into_docs=options.write_docs)
    wrong = [(table.title, row) for table in report.tables for row in table.wrong_rows]
    return [
        *(f"wrong responses: {title}: {row.server}: {row.run.problem}" for title, row in wrong),
        *(f"{kind} was {report.left_out[kind]}" for kind in KINDS if kind in report.left_out),
    ]


def measure(options: argparse.Namespace) -> Report:
    """Measure every requested workload."""
    workloads = [workload for workload in WORKLOADS if workload.name in options.work]
    kinds = [kind for kind in KINDS if kind in options.work]
    peers: Sequence[Peer] = PEERS
    if options.earlier is not None:
        peers = (*PEERS, earlier(options.earlier))
        workloads = [workload.with_earlier() for workload in workloads]
    left_out = {peer.name: reason for peer in peers if (reason := peer.unavailable())}
    comparison = Comparison(
        [peer for peer in peers if peer.name not in left_out], options.rounds, options.seconds, left_out
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers read in it as another user
        progress = Progress(comparison.turns(workloads) + options.rounds * sum(TURNS[kind] for kind in kinds))
        tables: list[Table] = []
        if workloads:
            signer = Signer()
            sys.stderr.write("signing tokens\n")
            names = {workload.name for workload in workloads}
            supplies = make_supplies(
                folder,
                signer,
                rounds=options.rounds if "unseen" in names else 0,  # signing tokens takes up to half a minute
                many=options.tokens if "many" in names else 0,
                turn=options.unseen,
            )
            tables += tables_of(workloads, compare(comparison, workloads, supplies, signer, progress))
        if kinds:
            try:
                tables += compare_sessions(folder, kinds, options.rounds, options.seconds, progress, left_out)
            except (AssertionError, NotServing, OSError) as problem:
                # The tables above took up to a quarter of an hour, so they are reported anyway.
                left_out.update(dict.fromkeys(kinds, f"not measured: {problem}"))
    promised = tuple(promise_lines(tables))
    tokens = {peer.name: peer.tokens for peer in peers if peer.name not in left_out}
    return Report(options.rounds, options.seconds, options.tokens, tuple(tables), left_out, tokens, promised)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--work", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--earlier", type=Path, metavar="DIR", help="measure the gateway of that checkout as well")
    options = read_options(parser, "with fewer tokens")
    options.tokens, options.unseen = (10_000, 1_000) if options.quick else (100_000, 8_000)
    return options


if __name__ == "__main__":
    sys.exit(run_measurement(report_on, _options()))
