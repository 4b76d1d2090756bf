"""Sessions: the refresh policy, the session store, and how ended sessions are announced."""
