"""Sessions: the refresh policy, the interface of the session store, the blacklist and the revocation feed."""
