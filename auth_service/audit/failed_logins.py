"""Limits on the failed log-ins that the audit trail keeps.

An attacker can cause any number of failures. Each failure adds one row in one commit, whether the account exists or
not. A limit at that point would make some responses faster than others and so reveal which accounts exist. Therefore
the retention job deletes surplus rows afterwards.
"""

WINDOW_SECONDS = 3_600.0
"""The limits apply to the rows of the last hour."""
MAX_ROWS_PER_ACCOUNT = 20
"""Rows of one account that are kept: the oldest of the window."""
MAX_ROWS_OF_UNKNOWN_ACCOUNTS = 100
"""Rows of all unknown accounts together that are kept: the oldest of the window."""
