"""Names of the session measurements and of the servers in them."""

REFRESH, LOGIN = "refresh", "login"
TURNS = {REFRESH: 2, LOGIN: 3}
"""The session measurements, with the number of turns in a round."""
KINDS = tuple(TURNS)
OURS, DJANGO = "Sallyport's auth service", "Django + djoser + simplejwt"
HASH, OWN_HASH = "one argon2id hash, argon2-cffi", "one argon2id hash, libsodium"
