"""The gateway: it authenticates each request and proxies it to a service."""
