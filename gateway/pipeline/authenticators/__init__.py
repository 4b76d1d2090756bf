"""Ways to authenticate a client: one file each, in the order of precedence of registry.py."""
