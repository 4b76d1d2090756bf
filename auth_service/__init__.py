"""Owns users, their sessions and the keys that sign tokens: registers, logs in, refreshes, ends.

Nothing else in the system sees a password or a refresh token's key.
"""
