"""Passwords: the rules for new ones, breached ones, the formats of stored hashes, and the hashing queue."""
