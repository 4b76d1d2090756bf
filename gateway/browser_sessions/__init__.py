"""Browser sessions, held by an opaque cookie, and one-time tickets for streams."""
