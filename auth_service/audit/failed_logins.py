"""How many failed log-ins the audit trail keeps.

Anybody can fail as often as they like, from as many addresses as they have. Every failure is one row and one commit,
whether the account exists or not: a limit that is checked when a log-in fails would answer sooner for one of the two
and so tell which accounts exist. Surplus rows are deleted afterwards by the retention job.
"""

WINDOW_SECONDS = 3_600.0
MAX_ROWS_PER_ACCOUNT = 20
"""Rows of one account that are kept of a window: the oldest."""
MAX_ROWS_OF_UNKNOWN_ACCOUNTS = 100
"""The same for all unknown account names together."""
