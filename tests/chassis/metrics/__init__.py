"""Metrics of services."""
