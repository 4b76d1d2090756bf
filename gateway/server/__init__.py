"""HTTP/1.1 on client connections: it parses requests and writes responses, without routing or authentication."""
