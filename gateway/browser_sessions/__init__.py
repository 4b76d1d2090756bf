"""Browser sessions with an opaque session cookie, and one-time tickets for streams."""
