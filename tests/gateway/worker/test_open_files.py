"""A worker may open as many files as the system allows, whatever the shell said that started it."""

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


def allowed(soft: int, hard: int, streams: int) -> list[str]:
    """What a process of its own says: a hard limit that was lowered stays so."""
    words = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(streams)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()


def test_the_limit_is_raised_to_what_the_system_allows() -> None:
    assert allowed(256, 2_300, 1_000) == ["2300"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2_300, "else nothing was looked at"


def test_too_low_a_limit_is_said() -> None:
    warning, limit = allowed(256, 2_200, 1_000)
    assert limit == "2200"
    for part in ("open_file_limit_low", "2200", "2256", "GATEWAY_STREAMS"):
        assert part in warning
