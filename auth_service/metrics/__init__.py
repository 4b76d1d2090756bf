"""Metrics of the auth service."""
