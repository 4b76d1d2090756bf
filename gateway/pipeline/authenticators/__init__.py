"""Ways to authenticate a client, one file each. registry.py has their order of precedence."""
