"""Sessions: the refresh policy, the session store's promises, the blacklist and the revocation feed."""
