"""The auth service's endpoints that need no credentials: they read neither Authorization nor cookies."""

_ANY_METHOD = ("/auth/jwt/create", "/auth/jwt/refresh", "/auth/jwt/verify", "/auth/jwt/blacklist")
_POST = ("/auth/users",)

_ANONYMOUS = frozenset({*((None, path) for path in _ANY_METHOD), *(("POST", path) for path in _POST)})


def is_anonymous(method: str, path: str) -> bool:
    """Return whether the auth service serves `method` at `path` to unauthenticated callers."""
    bare = path.removesuffix("/")
    return (None, bare) in _ANONYMOUS or (method, bare) in _ANONYMOUS
