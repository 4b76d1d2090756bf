"""The decision on one request: match, authenticate, authorize, vouch. Knows no socket."""
