"""The webhook outbox in SQL."""
