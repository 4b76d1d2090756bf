"""The auth service: users, sessions, access and refresh tokens.

No other part of the system sees a password hash or the key of refresh tokens.
"""
