"""CSRF: a request with the session cookie is accepted only from a page of the gateway's or an allowed origin."""

import pytest

from contract.problems import Refused
from gateway.http.origin import parse_allowed_origins
from gateway.pipeline.csrf import check_csrf, check_origin, check_same_site

OWN_ORIGIN = "https://app.example.com"
ALLOWED = parse_allowed_origins("capacitor://localhost,https://www.example.com:443")


def check(method: str = "POST", *, scheme: str = "https", **changed: str | None) -> None:
    headers = {"custom_header": "1", "origin": None, "fetch_site": None, "host": "app.example.com", **changed}
    check_csrf(method, allowed_origins=ALLOWED, scheme=scheme, accepts_forms=False, **headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_method_is_accepted_from_every_page(method: str) -> None:
    check(method, custom_header=None, origin="https://evil.example")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": OWN_ORIGIN},
        {"origin": "capacitor://localhost", "host": "gateway.example.com"},
        {"origin": "https://www.example.com"},
        {"origin": "https://www.example.com:443"},
        {"origin": OWN_ORIGIN, "host": "App.Example.com:443"},
        {"origin": f"{OWN_ORIGIN}:443"},
        {"origin": "https://[::1]:8443", "host": "[::1]:8443"},
        {"origin": "https://[::1]:8443", "host": "[0:0::1]:8443"},
        {"fetch_site": "same-origin"},
        {"origin": OWN_ORIGIN, "fetch_site": "same-origin"},
    ],
)
def test_an_unsafe_method_is_accepted_from_the_own_and_allowed_origins(method: str, headers: dict[str, str]) -> None:
    check(method, scheme="https", **headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": OWN_ORIGIN, "custom_header": None},
        {"origin": OWN_ORIGIN, "custom_header": ""},
        {"fetch_site": "same-origin", "custom_header": None},
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "fetch_site": "same-origin"},
        {"origin": "https://app.example.com.evil.example"},
        {"origin": "https://app.example.com:444"},
        {"origin": "http://app.example.com"},
        {"origin": "http://app.example.com:443"},
        {"origin": "evil://app.example.com"},
        {"origin": "evil://app.example.com:443", "host": "app.example.com:443"},
        {"origin": "capacitor://localhost:1"},
        {"origin": "ionic://localhost"},
        {"origin": "https://app.example.com/"},
        {"origin": "https://app.example.com:"},
        {"origin": "https://app.example.com:0"},
        {"origin": "https://app.example.com:65979"},  # 443 in sixteen bits
        {"origin": "https://app.example.com:*"},
        {"origin": "https://app.example.com."},
        {"origin": "https://evil@app.example.com", "host": "evil@app.example.com"},
        {"origin": "https://app.example.com https://evil.example"},
        {"origin": "https://[::g]", "host": "[::g]"},
        {"origin": "https://app.example.com", "host": "app.example.com, evil.example"},
        {"origin": "HTTPS://APP.EX\u0130MPLE.COM"},  # a capital I with a dot
        {"origin": "null"},
        {"origin": ""},
        {"origin": "://", "host": ""},
        {"origin": "https://", "host": None},
        {"fetch_site": "same-site"},
        {"fetch_site": "cross-site"},
        {"fetch_site": "none"},
    ],
)
def test_an_unsafe_method_is_refused_from_other_origins_or_without_the_custom_header(
    method: str, headers: dict[str, str | None]
) -> None:
    with pytest.raises(Refused) as refused:
        check(method, scheme="https", **headers)
    assert (refused.value.status, refused.value.code) == (403, "cross_site")


@pytest.mark.parametrize(
    ("scheme", "origin", "is_accepted"),
    [
        ("http", "http://app.example.com", True),
        ("http", "http://app.example.com:80", True),
        ("http", OWN_ORIGIN, False),
        ("https", OWN_ORIGIN, True),
        ("https", "http://app.example.com", False),
        ("http", "evil://app.example.com", False),
    ],
)
def test_the_scheme_of_the_origin_must_be_that_of_the_request(scheme: str, origin: str, is_accepted: bool) -> None:
    """RFC 6454 5."""
    if is_accepted:
        check(scheme=scheme, origin=origin)
        return
    with pytest.raises(Refused):
        check(scheme=scheme, origin=origin)


def test_the_refusal_of_a_tls_origin_over_http_names_trusted_proxies() -> None:
    with pytest.raises(Refused, match="TRUSTED_PROXIES"):
        check(scheme="http", origin=OWN_ORIGIN)


def test_the_origin_in_a_refusal_is_short_and_printable() -> None:
    with pytest.raises(Refused) as refused:
        check_origin("x" * 9_000 + "\n\x1b", scheme="https", host="app.example.com", allowed_origins=ALLOWED)
    assert len(refused.value.detail) < 400
    assert refused.value.detail.isprintable()


SAME_SITE = [
    ("http://localhost:8100", None, "http", "localhost:8000"),
    ("http://localhost:8100", "same-site", "http", "localhost:8000"),
    (OWN_ORIGIN, "same-origin", "https", "app.example.com"),
    ("https://www.example.com", None, "https", "app.example.com"),
    ("https://www.example.com", "same-site", "https", "app.example.com"),
    (None, None, "https", "app.example.com"),
    (None, "same-origin", "https", "app.example.com"),
    ("https://[::1]:1", None, "https", "[::1]:2"),
]
CROSS_SITE = [
    ("capacitor://localhost", None, "https", "app.example.com"),
    ("capacitor://localhost", "cross-site", "https", "app.example.com"),
    ("http://127.0.0.1:8100", None, "http", "localhost:8000"),
    ("http://127.0.0.1", None, "http", "127.1.0.1"),
    ("https://app.example.org", None, "https", "app.example.com"),
    ("https://other.co.uk", "cross-site", "https", "app.co.uk"),
    (None, "cross-site", "https", "app.example.com"),
]


@pytest.mark.parametrize(("origin", "fetch_site", "scheme", "host"), SAME_SITE)
def test_a_page_of_the_same_site_may_log_in(
    origin: str | None, fetch_site: str | None, scheme: str, host: str
) -> None:
    check_same_site(origin, fetch_site=fetch_site, scheme=scheme, host=host)


@pytest.mark.parametrize(("origin", "fetch_site", "scheme", "host"), CROSS_SITE)
def test_a_log_in_from_another_site_is_refused_with_the_reason(
    origin: str | None, fetch_site: str | None, scheme: str, host: str
) -> None:
    with pytest.raises(Refused, match="SameSite=Strict") as refused:
        check_same_site(origin, fetch_site=fetch_site, scheme=scheme, host=host)
    assert refused.value.code == "cross_site"
