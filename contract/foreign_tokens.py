"""Tokens of a Django project that moves: how to recognize them, before anything is verified.

The gateway does not have the project's secret. It asks the auth service to exchange such an access token.
"""

FOREIGN_TYP = "JWT"
"""The `typ` of tokens of djangorestframework-simplejwt (the default of PyJWT). No token of ours has it."""
FOREIGN_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
"""Their algorithms. A deployment accepts one of them."""
