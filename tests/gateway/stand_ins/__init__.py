"""Test doubles and servers around a gateway: auth service, WebSocket service, valkey-server, certificates."""
