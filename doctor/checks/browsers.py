"""What browsers get: cookies, CORS, and the public URL."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doctor.finding import Problem, error, warning
from doctor.probes.gateway import STRANGE_ORIGIN
from doctor.probes.ports import is_loopback, is_public_https

if TYPE_CHECKING:
    from gateway.http.origin import AllowedOrigins

_NATIVE_SCHEMES = ("capacitor", "ionic")


def cookie_setting(is_secure: bool, is_production: bool, public_url: str) -> Iterator[Problem]:
    """Return whether SESSION_COOKIE_SECURE does not fit the URL."""
    if not is_secure and (is_production or public_url.startswith("https://")):
        yield error(
            "SESSION_COOKIE_SECURE is off: browsers also send the session cookie over unencrypted http.",
            "Set SESSION_COOKIE_SECURE=on, and serve the gateway by https.",
        )
    parts = urlsplit(public_url)
    if is_secure and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield warning(
            f"SESSION_COOKIE_SECURE is on and PUBLIC_URL is {public_url}: browsers drop the session cookie over "
            "http.",
            "Serve the gateway by https, and set PUBLIC_URL to that URL.",
        )


def cookies(set_cookies: tuple[str, ...], is_secure_expected: bool) -> Iterator[Problem]:
    """Return the cookies that the gateway or a proxy in front of it sets without the attributes that protect them."""
    for cookie in set_cookies:
        name, _, rest = cookie.partition("=")
        attributes = {part.strip().lower() for part in rest.split(";")[1:]}
        missing = [] if "httponly" in attributes else ["HttpOnly"]
        if "secure" not in attributes and (is_secure_expected or "samesite=none" in attributes):
            missing.append("Secure")
        if not any(attribute.startswith("samesite=") for attribute in attributes):
            missing.append("SameSite")
        if missing:
            yield error(
                f"The gateway answers with the cookie {name} without {', '.join(missing)}.",
                "Set SESSION_COOKIE_SECURE=on, and let no proxy change Set-Cookie.",
            )


def origins(allowed: "AllowedOrigins", is_production: bool) -> Iterator[Problem]:
    """Return the allowed origins that are wrong in production."""
    if not is_production:
        return
    local = sorted(f"{scheme}://{host}:*" for scheme, host in allowed.any_port)
    local += sorted(
        str(origin) for origin in allowed.exact if is_loopback(origin.host) and origin.scheme not in _NATIVE_SCHEMES
    )
    # https://localhost is the origin of Capacitor apps on Android: no other program of a device can serve it easily.
    local = [origin for origin in local if origin != "https://localhost"]
    if local:
        yield error(
            f"ALLOWED_ORIGINS has {', '.join(local)} in production: any program on a user's machine may act for the "
            "user.",
            "Name the origins of your apps in ALLOWED_ORIGINS; with APP_ENV=development its default has localhost.",
        )
    plain = sorted(
        str(origin) for origin in allowed.exact if origin.scheme == "http" and not is_loopback(origin.host)
    )
    if plain:
        yield error(
            f"ALLOWED_ORIGINS has the unencrypted {', '.join(plain)}: anybody in the network can change these pages.",
            "Serve these pages by https, and change ALLOWED_ORIGINS.",
        )


def any_origin(allowed_origin: str | None) -> Iterator[Problem]:
    """Return whether pages of every origin may use the gateway."""
    if allowed_origin in ("*", STRANGE_ORIGIN):
        yield error(
            f"A request from the origin {STRANGE_ORIGIN} is answered with Access-Control-Allow-Origin: "
            f"{allowed_origin}.",
            "Remove the CORS fields that a proxy in front of the gateway adds; ALLOWED_ORIGINS is enough.",
        )


def public_url(url: str, is_production: bool, pages: bool) -> Iterator[Problem]:
    """Return whether the URL for clients is unknown or unencrypted."""
    if not is_production:
        return
    parts = urlsplit(url)
    if not url and pages:
        yield warning(
            "PAGES is on and PUBLIC_URL is not set: links in mails and pages lead to http://localhost:8000.",
            "Set PUBLIC_URL to the URL of the gateway for clients, or PAGES=off.",
        )
    elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield error(
            f"PUBLIC_URL is {url}: passwords and tokens are sent unencrypted.",
            "Serve the gateway by https (docs/behind-a-proxy.md), and set PUBLIC_URL to that URL.",
        )


def trusted_proxies(has_any: bool, url: str) -> Iterator[Problem]:
    """Return whether the proxy that ends TLS is not trusted. The gateway has no TLS of its own."""
    if not has_any and is_public_https(url):
        yield error(
            f"PUBLIC_URL is {url} and TRUSTED_PROXIES is empty: every client has the address of the proxy that ends "
            "TLS, "
            "and requests of pages are refused, because their origin is https.",
            "Set TRUSTED_PROXIES to the addresses of the proxy (docs/behind-a-proxy.md).",
        )


def hsts(max_age: int, url: str) -> Iterator[Problem]:
    """Return whether browsers may still use http."""
    if max_age == 0 and is_public_https(url):
        yield warning(
            "HSTS_MAX_AGE is 0: a browser that is sent to http:// does not use https.",
            "Set HSTS_MAX_AGE=31536000, unless a proxy adds Strict-Transport-Security.",
        )
