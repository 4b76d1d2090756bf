"""The auth service: users, sessions, and the tokens of both.

No other part of the system sees a password hash or the key of refresh tokens.
"""
