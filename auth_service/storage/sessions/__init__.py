"""Sessions in SQL: the store, its statements and the ends of sessions."""
