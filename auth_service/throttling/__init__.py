"""Limits on log-in attempts, registrations and requests for mails."""
