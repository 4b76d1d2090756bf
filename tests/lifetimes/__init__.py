"""Simulated lifetimes of apps: `make lifetimes`. scenario.py has the lives as data, the players play them."""
