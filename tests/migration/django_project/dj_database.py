"""Django's database configuration for a URL: sqlite:///PATH or postgresql://USER@/NAME?host=FOLDER."""

from urllib.parse import parse_qs, urlsplit


def configuration(url: str) -> dict[str, object]:
    """Return the value for DATABASES."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path[1:], "OPTIONS": {"timeout": 20}}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parse_qs(parts.query)["host"][0],
    }
