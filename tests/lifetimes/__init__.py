"""Simulated lifetimes of apps: `make lifetimes`. python_client.py and front_end.py play them with their client."""
