"""Events: what happened to accounts and sessions, and the dispatcher that calls the subscribers."""
