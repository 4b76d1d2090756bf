"""Owns which endpoints of the auth service anybody may call: neither Authorization nor a cookie is read there."""

_ANY_METHOD = ("/auth/jwt/create", "/auth/jwt/refresh", "/auth/jwt/verify", "/auth/jwt/blacklist")
_POST = ("/auth/users",)

_ANONYMOUS = frozenset({*((None, path) for path in _ANY_METHOD), *(("POST", path) for path in _POST)})


def is_anonymous(method: str, path: str) -> bool:
    """Whether the auth service answers `method` at `path` without asking who is calling."""
    bare = path.removesuffix("/")
    return (None, bare) in _ANONYMOUS or (method, bare) in _ANONYMOUS
