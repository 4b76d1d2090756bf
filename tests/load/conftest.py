"""Fixtures of the long runs."""

import os

from tests.faults.figures import pytest_terminal_summary, say

__all__ = ["pytest_terminal_summary", "say"]

# Minutes of load: `make soak` asks for it, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_SOAK") else ["test_*.py"]
