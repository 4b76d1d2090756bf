"""Tests with Redis Sentinel and a Redis Cluster."""

import os

# These tests take minutes: `make test-topologies` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_TOPOLOGIES") else ["test_*.py"]
