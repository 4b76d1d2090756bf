"""A worker may open as many files as its hard limit allows, also if the shell set a lower soft limit."""

import resource
import subprocess
import sys

from stack.plan import ROOT

SCRIPT = """
import resource, sys
from gateway.worker.open_files import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
allow_open_files(int(sys.argv[3]))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


STREAMS = 1_000
"""They need 2,256 open files: two each, and SPARE (256) others. The hard limits are a little above and below."""


def output_with_limits(soft: int, hard: int, streams: int) -> list[str]:
    """Return the log lines and the new soft limit of a process.

    It needs a process of its own, because a lowered hard limit cannot be raised again.
    """
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(streams)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()


def test_the_soft_limit_is_raised_to_the_hard_limit() -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2_300, "the test needs a higher hard limit"
    assert output_with_limits(256, 2_300, STREAMS) == ["2300"]


def test_a_hard_limit_below_the_needs_of_the_streams_is_logged() -> None:
    warning, limit = output_with_limits(256, 2_200, STREAMS)
    assert limit == "2200"
    for part in ("open_file_limit_low", "2200", "2256", "GATEWAY_STREAMS"):
        assert part in warning
