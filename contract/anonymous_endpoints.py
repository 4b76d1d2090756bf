"""The auth service's endpoints that need no access token or session. They ignore Authorization and cookies."""

_ANY_METHOD = frozenset({"/auth/jwt/create", "/auth/jwt/refresh", "/auth/jwt/verify", "/auth/jwt/blacklist"})
"""Paths that are anonymous with every method, without the slash at their end."""
_ONE_METHOD = frozenset(
    {
        ("POST", "/auth/users"),
        ("POST", "/auth/users/activation"),
        ("POST", "/auth/users/resend_activation"),
        ("POST", "/auth/users/reset_password"),
        ("POST", "/auth/users/reset_password_confirm"),
        ("POST", "/auth/users/invitation_confirm"),
        ("POST", "/auth/users/reset_email"),
        ("POST", "/auth/users/reset_email_confirm"),
    }
)
"""Methods and paths that are anonymous only together."""


def is_anonymous(method: str, path: str) -> bool:
    """Return whether the auth service serves `method` at `path` to unauthenticated callers."""
    endpoint = path.removesuffix("/")
    return endpoint in _ANY_METHOD or (method, endpoint) in _ONE_METHOD
