"""Decide on collected facts: pure functions that return the problems."""
