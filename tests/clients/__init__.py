"""Clients that others wrote, against a running stack. `make test-clients` runs them."""
