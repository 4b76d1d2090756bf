"""Observability: access log, metrics and event-loop lag."""
