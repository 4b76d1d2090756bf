"""Fixtures of the long runs."""

import os

from tests.faults.support.figures import add_figure, pytest_terminal_summary

__all__ = ["add_figure", "pytest_terminal_summary"]

# Minutes of load: `make soak` asks for it, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_SOAK") else ["test_*.py"]
