"""Limits on log-in attempts and registrations."""
