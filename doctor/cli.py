"""The command line of `python -m doctor`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from doctor.deployment import Deployment, UsageError, deployment_of_environment, deployment_of_stack
from doctor.examination import LONGEST_SECONDS, examine
from doctor.facts import Facts
from doctor.registry.check import Check
from doctor.registry.checks import CHECKS
from doctor.report import json_text, text_lines

EXIT_HEALTHY, EXIT_FINDINGS, EXIT_CANNOT_RUN = 0, 1, 2

DESCRIPTION = """
Check a running deployment, and print for each problem its cause and its cure. Nothing is changed.

Without an option, the settings are those in the environment: run it where a service runs. A container of one service
checks that service; the rest is listed as not checked.
"""
EPILOG = """
exit status:
  0  no problem was found
  1  a problem was found: an error (it is broken or unsafe now) or a warning (it will be, under the named conditions)
  2  nothing could be checked: wrong options, or no settings

Checks that could not be run are listed, and do not change the exit status. NAME is a check such as redis.eviction, or
all checks of a group such as redis. --list prints them.
"""


def main(words: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = _parser().parse_args(words)
    if arguments.list:
        for check in CHECKS:
            print(f"{check.name:29} {check.finds.replace('`', '')}")
        return EXIT_HEALTHY
    try:
        checks, skipped = _selected(arguments.only, arguments.skip)
        deployment = _deployment(arguments)
    except UsageError as error:
        print(f"doctor: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    report = examine(Facts(deployment), checks, arguments.timeout)
    if arguments.json:
        print(json_text(report, skipped))
    else:
        print("\n".join(text_lines(report, deployment, skipped)))
    return EXIT_FINDINGS if report.findings else EXIT_HEALTHY


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m doctor",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", action="store_true", help="the system of `make run` with this environment")
    parser.add_argument("--url", default="", help="the gateway, if not as in its settings: https://api.example.com")
    parser.add_argument(
        "--env-file",
        action="append",
        default=[],
        metavar="[SERVICE=]FILE",
        help="read settings from this file instead: of gateway, auth or resource, or of all; may be repeated",
    )
    parser.add_argument("--secrets", type=Path, metavar="FOLDER", help="also check the secrets in this folder")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run these checks only")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="do not run these checks")
    parser.add_argument(
        "--timeout",
        type=float,
        default=LONGEST_SECONDS,
        metavar="SECONDS",
        help=f"for all checks together; one that takes longer is listed as not checked ({LONGEST_SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="print the names of all checks, and what each finds")
    return parser


def _deployment(arguments: argparse.Namespace) -> Deployment:
    if arguments.stack:
        if arguments.env_file or arguments.url:
            raise UsageError("--stack knows the URL and the settings; omit --url and --env-file")
        return deployment_of_stack(os.environ, Path.cwd())
    if arguments.secrets is not None and not arguments.secrets.is_dir():
        raise UsageError(f"--secrets {arguments.secrets} is not a folder")
    return deployment_of_environment(os.environ, arguments.env_file, arguments.url, arguments.secrets)


def _selected(only: Sequence[str], skip: Sequence[str]) -> tuple[list[Check], list[str]]:
    """Return the checks to run, and the names of those that --skip leaves out. Raises UsageError."""
    known = {name for check in CHECKS for name in (check.name, check.group)}
    unknown = [name for name in (*only, *skip) if name not in known]
    if unknown:
        raise UsageError(f"there is no check {', '.join(unknown)}; --list prints all")
    wanted = [check for check in CHECKS if not only or {check.name, check.group} & set(only)]
    skipped = [check.name for check in wanted if {check.name, check.group} & set(skip)]
    return [check for check in wanted if check.name not in skipped], skipped
