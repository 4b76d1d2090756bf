"""Limits on the rate and on the concurrency of requests."""
