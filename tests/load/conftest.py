"""Fixtures of the soak tests."""

import os

from tests.faults.support.figures import add_figure, pytest_terminal_summary

__all__ = ["add_figure", "pytest_terminal_summary"]

# These tests take minutes: `make soak` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_SOAK") else ["*/test_*.py"]
