"""Access tokens: verification, keys, revocations, refreshes, and calls to the auth service."""
