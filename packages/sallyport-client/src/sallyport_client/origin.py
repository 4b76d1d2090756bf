"""Origins (RFC 6454): the gateway's is the only one that receives tokens."""

from urllib.parse import urlsplit

from sallyport_client.errors import SallyportError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN_ENDPOINTS = "/auth/jwt/"  # noqa: S105 - a path
"""Below it no endpoint needs an access token, and a 401 is the answer to a password or to another token."""


class Origin:
    """Scheme, host and port of a gateway. Raises SallyportError if `url` has more or less than that."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise SallyportError(
                f'url must be the address of a gateway, such as "https://api.example.com"; got {url!r}'
            )
        if parts.username or parts.password:
            raise SallyportError("url must not contain a user name or password")
        self._parts = _origin(url)
        self.url = f"{parts.scheme}://{parts.netloc}"

    def takes_token(self, url: str) -> bool:
        """Return whether a request to `url` gets the access token."""
        return _origin(url) == self._parts and not urlsplit(url).path.startswith(_TOKEN_ENDPOINTS)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)
