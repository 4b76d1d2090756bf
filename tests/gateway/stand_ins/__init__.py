"""Stand-ins for what surrounds a gateway: auth service, WebSocket service, valkey-server and certificates."""
