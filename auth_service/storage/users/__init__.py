"""Users in SQL: the store, its statements and the list for staff."""
