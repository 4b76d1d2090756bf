"""HTTP/1.1 on client connections: bytes in, requests out. Knows nothing of routes or tokens."""
