"""Passwords: the rules for new ones, the formats of stored hashes, and the hashing queue."""
