"""The audit trail in SQL: the store and its statements."""
