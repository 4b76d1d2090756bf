"""Origins are parsed strictly, compared by scheme, host and port, and printed as browsers do (RFC 6454)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.origin import (
    Origin,
    origin_refusal,
    own_origin,
    parse_allowed_origins,
    parse_origin,
    printable,
)

NOT_ORIGINS = [
    *(
        "",
        "null",
        "*",
        "://",
        "http://",
        "//h",
        "h",
        "h:80",
        "http:h",
        "http:/h",
        "http:///h",
        "http://h/",
        "http://h?",
    ),
    *(
        "http://h#",
        "http://u@h",
        "http://h:",
        "http://h:x",
        "http://h:-1",
        "http://h:0",
        "http://h:65536",
        "http://h:*",
    ),
    *(" http://h", "http://h ", "http://h\t", "http://h, http://i", "http://h http://i", "http://h\\", "http://h%2e"),
    *(
        "http://[::1",
        "http://::1",
        "http://[::g]",
        "http://[::1]x",
        "http://[fe80::1%25eth0]",
        "http://bücher.example",
    ),
    *("1http://h", "h_p://h", "http://h\0", "http://h\r\n", "http://" + "h" * 254, "x" * 33 + "://h"),
]


@pytest.mark.parametrize("text", NOT_ORIGINS)
def test_a_malformed_origin_is_none(text: str) -> None:
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("text", "origin", "printed"),
    [
        ("http://h", Origin("http", "h", 80), "http://h"),
        ("http://h:80", Origin("http", "h", 80), "http://h"),
        ("https://h:80", Origin("https", "h", 80), "https://h:80"),
        ("HTTPS://A.Example:0443", Origin("https", "a.example", 443), "https://a.example"),
        ("capacitor://localhost", Origin("capacitor", "localhost", None), "capacitor://localhost"),
        ("ionic://localhost:8100", Origin("ionic", "localhost", 8100), "ionic://localhost:8100"),
        ("http://[0:0::0001]:8000", Origin("http", "[::1]", 8000), "http://[::1]:8000"),
        (
            "https://xn--bcher-kva.example",
            Origin("https", "xn--bcher-kva.example", 443),
            "https://xn--bcher-kva.example",
        ),
        ("chrome-extension://abcdef", Origin("chrome-extension", "abcdef", None), "chrome-extension://abcdef"),
        ("http://my_app.localhost", Origin("http", "my_app.localhost", 80), "http://my_app.localhost"),
    ],
)
def test_an_origin_is_its_scheme_host_and_port(text: str, origin: Origin, printed: str) -> None:
    assert parse_origin(text) == origin
    assert str(origin) == printed


TEXTS = st.text("htps:/[]*.@,0189 -_ \t\\?#", max_size=20) | st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https", "evil", "HTTP", "ws"]),
    st.sampled_from(["h", "h.example", "[::1]", "127.0.0.1", ""]),
    st.sampled_from(["", ":80", ":443", ":8100", ":0", ":"]),
)


@given(TEXTS)
def test_a_printed_origin_parses_to_itself_and_equals_no_origin_of_another_scheme(text: str) -> None:
    origin = parse_origin(text)
    if origin is None:
        return
    assert parse_origin(str(origin)) == origin
    assert origin in parse_allowed_origins(text)
    host_and_port = f"{origin.host}:{origin.port}" if origin.port is not None else origin.host
    schemes = {"evil", "http", "https", origin.scheme}
    assert {scheme for scheme in schemes if origin in parse_allowed_origins(f"{scheme}://{host_and_port}")} == {
        origin.scheme
    }


@given(TEXTS, st.sampled_from(["http", "https"]), TEXTS)
def test_the_gateways_own_origin_has_the_clients_scheme(origin: str, scheme: str, host: str) -> None:
    """This holds for every Host, also a forged one. Text that is not an origin never equals it."""
    own = own_origin(scheme, host)
    assert own is None or own.scheme == scheme
    if own is not None and parse_origin(origin) == own:
        assert origin.lower().startswith(f"{scheme}://")


@given(st.text(max_size=400), TEXTS)
def test_a_refusal_reason_is_printable_and_its_origin_is_short(origin: str, host: str) -> None:
    assert printable(origin).isprintable()
    assert origin_refusal(origin, own_origin("http", host)).isprintable()
    assert len(printable(origin)) <= 200 * len("\\U0001f600")


def test_the_reason_for_a_null_origin_states_what_to_do() -> None:
    assert "serve the page by http or https" in origin_refusal("null", own_origin("http", "h"))
