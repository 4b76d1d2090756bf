"""The decision on one request: match, limit, authenticate, authorize, assert the identity. No sockets."""
