"""Which header fields cross, in both directions (R25 to R27, R32, R35)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from contract.problems import Refused
from gateway.http.header_fields import MAX_CACHED_NAMES
from gateway.http.request_headers import (
    FieldAction,
    FieldActionCache,
    RequestFields,
    forward_opt_in,
    gateway_endpoint_fields,
    may_be_forwarded,
    may_be_set_on_requests,
    read_request_fields,
)
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.http.response_headers import ResponseNameCache, may_be_set_on_responses, read_response_fields

HOST = (b"host", b"h")


def read(*headers: tuple[bytes, bytes], version: str = "1.1") -> RequestFields:
    return read_request_fields([HOST, *headers], version)


def crossing(*headers: tuple[bytes, bytes]) -> bytes:
    return b"".join(read(*headers).lines)


CROSS = ["accept", "content-type", "user-agent", "if-match", "range", "origin", "referer", "x-anything", "tracestate"]
STAY = [
    *("connection", "keep-alive", "te", "trailer", "upgrade", "http2-settings"),
    *("proxy-authorization", "proxy-authenticate", "proxy-connection", "proxy-anything", "proxy"),
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-anything"),
    *("x-identity", "x-identity-anything", "x-user-id", "x-user-anything", "x-session-id", "x-session-anything"),
    *(
        "x-request-id",
        "x-peer",
        "x-fetched-token",
        "x-original-url",
        "x-original-uri",
        "x-original-host",
        "x-original-method",
    ),
    *("x-rewrite-url", "x-access-token"),
    *("x-http-method-override", "x-method-override", "x-http-method"),
]
WITHHELD = [
    *(
        "remote-user",
        "remote-groups",
        "remote-name",
        "remote-email",
        "remote-addr",
        "x-remote-user",
        "x-remote-group",
    ),
    *("x-remote-extra-scopes", "x-remote-ip", "x-remote-addr", "x-webauth-user", "x-webauth-role"),
    *("x-auth-request-user", "x-auth-request-email", "x-auth-request-groups", "x-auth-request-access-token"),
    *("x-auth-user", "x-auth-username", "x-auth-email", "x-auth-groups", "x-auth-roles", "auth-user", "x-user"),
    *("x-authentik-username", "x-authentik-groups", "x-pomerium-jwt-assertion", "x-pomerium-claim-email"),
    *("cf-connecting-ip", "cf-connecting-ipv6", "cf-access-jwt-assertion", "cf-access-authenticated-user-email"),
    *("cf-visitor", "x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email", "x-appengine-user-email"),
    *("x-amzn-oidc-data", "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken", "x-amzn-mtls-clientcert"),
    *("x-ms-client-principal", "x-ms-client-principal-name", "x-ms-token-aad-id-token", "x-arr-clientcert"),
    *("tailscale-user-login", "tailscale-user-name", "teleport-jwt-assertion", "x-teleport-anything"),
    *("x-consumer-username", "x-consumer-id", "x-credential-identifier", "x-authenticated-userid", "x-userinfo"),
    *("x-vouch-user", "x-jwt-assertion", "x-sso-user", "sm-user", "iv-user", "iv-groups", "oidc-claim-sub"),
    *("shib-session-id", "mellon-nameid", "impersonate-user", "impersonate-group", "x-scope-orgid", "x-proxy-user"),
    *("client-cert", "client-cert-chain", "x-client-cert", "x-client-verify", "x-client-dn", "ssl-client-verify"),
    *("ssl-client-cert", "ssl-client-subject-dn", "x-ssl-client-cert", "x-ssl-client-verify", "x-ssl-client-s-dn"),
    *("x-client-certificate", "x-clientcert-sha", "x-mtls-subject", "l5d-client-id", "x-ssl-cert", "x-tls-client"),
    *("true-client-ip", "x-true-client-ip", "client-ip", "x-client-ip", "x-real-ip", "x-real-port", "x-realip"),
    *(
        "x-cluster-client-ip",
        "x-originating-ip",
        "fastly-client-ip",
        "fastly-ssl",
        "fly-client-ip",
        "x-azure-clientip",
    ),
    *(
        "akamai-client-ip",
        "x-akamai-edgescape",
        "x-vercel-forwarded-for",
        "x-nf-client-connection-ip",
        "x-forward-for",
    ),
    *("forwarded-for", "forwarded-proto", "x-forwarded", "x-envoy-external-address", "x-envoy-original-path"),
    *("wl-proxy-client-ip", "wl-proxy-ssl", "do-connecting-ip", "incap-client-ip", "x-original-forwarded-for"),
    *("cloudfront-viewer-address", "cloudfront-forwarded-proto", "front-end-https", "x-scheme", "x-url-scheme"),
    *("x-script-name", "script-name", "path-info", "x-accel-mapping", "x-accel-redirect", "x-sendfile-type"),
    *("x-ingress-path", "x-replaced-path", "x-rewrite-uri", "x-host", "x-http-host-override", "disguised-host"),
    *(
        "x-middleware-subrequest",
        "x-middleware-rewrite",
        "x-invoke-path",
        "ms-aspnetcore-token",
        "x-amzn-request-context",
    ),
]
"""Fields by which proxies vouch for something to services that were written for them."""
OPEN = [
    *("x-auth-token", "x-api-key", "x-requested-with", "x-csrf-token", "x-amzn-trace-id", "x-b3-traceid", "cdn-loop"),
    *("x-cloud-trace-context", "x-correlation-id", "idempotency-key", "last-event-id", "x-client-version", "dnt"),
    *(
        "x-hub-signature-256",
        "stripe-signature",
        "x-total",
        "sec-fetch-site",
        "sec-ch-ua",
        "upgrade-insecure-requests",
    ),
    *("x-amz-date", "x-client-id", "x-client-data", "priority", "save-data", "x-cache-key", "authx", "clients"),
    *("access-control-request-method", "x-goofy", "forwards", "remotely", "cfx", "x-middleware-prefetch"),
]
"""Fields that clients send on their own account."""
REFUSED = ["", " ", "a b", "a:b", "a/b", "a@b", "a(b", "x\0", "x\r\n", "x\x7f", "é", "x-user-id ", "_\t"]
ODD = [
    "sentry_trace",
    "x.trace.id",
    "_",
    ".",
    "x!",
    "#x",
    "$",
    "x%20",
    "x&y",
    "x'",
    "x*",
    "x+y",
    "x^",
    "`x",
    "a|b",
    "~x",
]
SPOOFING = [
    *("x_user_id", "x.user.id", "x-user_id", "x_user-id", "x~user~id", "x_identity", "x.identity", "x_session_id"),
    *("x_forwarded_for", "x.forwarded.host", "x_forwarded-proto", "x_request_id", "x_peer"),
    *("content_length", "transfer.encoding", "proxy_", "x_http_method_override", "sec_websocket_key"),
    *("x_refresh_token", "x_access_token", "x_original_url", "x_rewrite_url", "x_fetched_token"),
]


@pytest.mark.parametrize("name", CROSS)
def test_an_end_to_end_field_crosses(name: str) -> None:
    assert crossing((name.encode(), b"v")) == f"{name}: v\r\n".encode()


@pytest.mark.parametrize("name", STAY)
def test_what_the_next_hop_or_the_gateway_says_stays(name: str) -> None:
    assert crossing((name.encode(), b"close"), (b"x-kept", b"1")) == b"x-kept: 1\r\n"


@pytest.mark.parametrize("name", OPEN)
def test_a_field_that_clients_send_themselves_crosses(name: str) -> None:
    assert crossing((name.encode(), b"v")) == f"{name}: v\r\n".encode()


@pytest.mark.parametrize("name", WITHHELD)
def test_a_field_by_which_a_proxy_vouches_stays_until_a_route_names_it(name: str) -> None:
    """R53."""
    fields = read((name.encode(), b"forged"), (b"x-kept", b"1"))
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    forward_opt_in(fields, frozenset({b"x-other"}))
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    forward_opt_in(fields, frozenset({name.encode()}))
    assert b"".join(fields.lines) == f"x-kept: 1\r\n{name}: forged\r\n".encode()
    assert may_be_forwarded(name.title())


def test_connection_takes_a_released_field_away_as_any_other() -> None:
    fields = read((b"x-script-name", b"/app"), (b"connection", b"x-script-name"))
    forward_opt_in(fields, frozenset({b"x-script-name"}))
    assert fields.lines == []


@pytest.mark.parametrize("name", [*STAY, "authorization", "cookie", "host", "content-length", "x-refresh-token"])
def test_no_route_lets_through_what_the_gateway_says_itself(name: str) -> None:
    assert not may_be_forwarded(name)


def test_a_withheld_field_is_logged_once() -> None:
    """Whoever misses it at a service finds out why."""
    with capture_logs() as lines:
        for _ in range(3):
            read((b"x-webauth-withheld-and-logged", b"1"))
    (line,) = lines
    assert (line["event"], line["name"]) == ("request_field_withheld", "x-webauth-withheld-and-logged")
    assert "forward_headers" in line["to_forward_it"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_somebody_could_spell_differently_is_refused(name: str) -> None:
    """R27, R35; and the complaint shows it without its control characters."""
    with pytest.raises(Refused) as refused:
        read((name.encode(), b"v"))
    assert refused.value.code == "bad_header"
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize("name", ODD)
def test_a_field_of_another_name_is_withheld_and_the_request_passes(name: str) -> None:
    """R27, R35: a service could know it by a plain name."""
    fields = read((name.encode(), b"v"), (b"x-kept", b"1"))
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    assert forward_opt_in(fields, frozenset({b"x-other"})) == 1
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    assert forward_opt_in(fields, frozenset({name.encode()})) == 0
    assert b"".join(fields.lines) == f"x-kept: 1\r\n{name}: v\r\n".encode()
    assert may_be_forwarded(name.title())
    assert not may_be_set_on_requests(name)


@pytest.mark.parametrize("name", SPOOFING)
def test_no_route_can_name_another_spelling_of_what_the_gateway_says(name: str) -> None:
    """R27: WSGI, CGI and PHP would give a service the same variable for both."""
    assert crossing((name.encode(), b"5")) == b""
    assert not may_be_forwarded(name)
    assert not may_be_forwarded(name.upper())


def test_a_long_name_is_valid_and_is_not_cached() -> None:
    actions = FieldActionCache()
    for name in (b"a" * 5_000, b"_" * 5_000):
        assert actions[name] in (FieldAction.FORWARD, FieldAction.FORWARD_ON_OPT_IN)
    assert len(actions) == 0
    assert crossing((b"a" * 5_000, b"v")) == b"a" * 5_000 + b": v\r\n"


def test_credentials_and_framing_are_read_and_do_not_cross() -> None:
    found = read((b"authorization", b"Bearer x"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"content-length", b"7"))
    assert found.lines == []
    assert (found.authorization, found.cookies) == (b"Bearer x", [b"a=1", b"b=2"])
    assert (found.content_length, found.chunked, found.has_body) == (7, False, True)
    assert read((b"transfer-encoding", b"Chunked")).has_body
    assert not read((b"content-length", b"0")).has_body


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"close", b"a: 1\r\nb: 2\r\n"),
        (b"keep-alive", b"a: 1\r\nb: 2\r\n"),
        (b"a", b"b: 2\r\n"),
        (b"A", b"b: 2\r\n"),
        (b"close, a ,B", b""),
        (b",, ,a,", b"b: 2\r\n"),
        (b"x-identity, host, content-length", b"a: 1\r\nb: 2\r\n"),
    ],
)
def test_what_connection_names_stays(value: bytes, kept: bytes) -> None:
    """R26."""
    assert crossing((b"a", b"1"), (b"connection", value), (b"b", b"2")) == kept


@pytest.mark.parametrize(
    ("headers", "version", "code"),
    [
        ([], "1.1", "bad_header"),
        ([(b"host", b"")], "1.1", "bad_header"),
        ([HOST, HOST], "1.1", "bad_header"),
        ([HOST, HOST], "1.0", "bad_header"),
        ([HOST], "0.9", "bad_request"),
        ([HOST], "1.2", "bad_request"),
        ([HOST], "2.0", "bad_request"),
        ([HOST, (b"transfer-encoding", b"chunked")], "1.0", "bad_header"),
        ([HOST, (b"transfer-encoding", b"gzip")], "1.1", "bad_header"),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], "1.1", "bad_header"),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], "1.1", "bad_header"),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"1")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"1"), (b"content-length", b"1")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"-1")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"1_000")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"1 ")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"9" * 19)], "1.1", "bad_header"),
        ([HOST, (b"content-length", "٣".encode())], "1.1", "bad_header"),
        ([HOST, (b"expect", b"the worst")], "1.1", "bad_header"),
        ([HOST, (b"authorization", b"a"), (b"authorization", b"a")], "1.1", "multiple_credentials"),
        ([HOST, (b"x-refresh-token", b"a"), (b"x-refresh-token", b"a")], "1.1", "multiple_credentials"),
    ],
)
def test_what_two_readers_could_differ_on_is_refused(
    headers: list[tuple[bytes, bytes]], version: str, code: str
) -> None:
    """R20, R30, R35."""
    with pytest.raises(Refused) as refused:
        read_request_fields(headers, version)
    assert (refused.value.code, refused.value.status) == (code, 400)


def test_expectations_are_a_list() -> None:
    """RFC 9110 10.1.1."""
    read((b"expect", b"100-continue , 100-Continue"), (b"expect", b"100-continue"))
    with pytest.raises(Refused):
        read((b"expect", b"100-continue, 200-ok"))


def test_http_1_0_needs_no_host() -> None:
    assert read_request_fields([], "1.0").host is None


def test_a_hundred_fields_are_enough() -> None:
    read(*[(b"x", b"")] * (DEFAULT_LIMITS.header_fields - 1))
    with pytest.raises(Refused) as refused:
        read(*[(b"x", b"")] * DEFAULT_LIMITS.header_fields)
    assert refused.value.status == 431


def test_thirty_two_kilobytes_are_enough() -> None:
    spent = len(b"host: h\r\n") + len(b"x: \r\n")
    read((b"x", b"v" * (DEFAULT_LIMITS.header_bytes - spent)))
    with pytest.raises(Refused) as refused:
        read((b"x", b"v" * (DEFAULT_LIMITS.header_bytes - spent + 1)))
    assert refused.value.status == 431


def test_the_bounds_of_a_header_section_are_settings() -> None:
    few = RequestLimits(header_fields=2, header_bytes=50)
    read_request_fields([HOST, (b"x", b"v" * 36)], "1.1", few)
    for too_many in ([HOST, (b"x", b""), (b"x", b"")], [HOST, (b"x", b"v" * 37)]):
        with pytest.raises(Refused) as refused:
            read_request_fields(too_many, "1.1", few)
        assert refused.value.status == 431


def test_an_oversized_token_is_a_bad_token() -> None:
    """R6: clients tell the two apart by the status."""
    with pytest.raises(Refused) as refused:
        read((b"authorization", b"Bearer " + b"x" * 33_000))
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        (b"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", False),
        (b"00-short-b7ad6b7169203331-01", False),
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: 1", False),
    ],
)
def test_a_traceparent_is_passed_on_when_it_is_one(value: bytes, kept: bool) -> None:
    assert (read((b"traceparent", value)).traceparent == value) is kept


def test_many_unknown_names_do_not_fill_the_memory() -> None:
    actions = FieldActionCache()
    for number in range(5_000):
        assert actions[b"x-%d" % number] is FieldAction.FORWARD
    assert len(actions) == MAX_CACHED_NAMES
    assert (actions[b"x-user-id"], actions[b"x-new"]) == (FieldAction.DROP, FieldAction.FORWARD)


def test_our_own_endpoints_see_nothing_that_is_ours_to_say() -> None:
    given_fields = [(name.encode(), b"v") for name in (*STAY[1:], *WITHHELD, *CROSS)]
    assert [name.decode() for name, _ in gateway_endpoint_fields(given_fields)] == CROSS


# --- the way back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate"),
        *("X-Identity", "X-User-Id", "X-Session-Id", "X-Peer", "X-Request-Id", "Server", "Via", "Date", "Set-Cookie"),
        *("Access-Control-Allow-Origin", "access-control-max-age", "X-Accel-Redirect", "X-Sendfile", "X-Reproxy-URL"),
        *(
            "X_Identity",
            "x.user.id",
            "X-User_Id",
            "Access_Control_Allow_Origin",
            "Transfer_Encoding",
            "X_Accel_Redirect",
        ),
        *("Content_Length", "Set_Cookie", "set.cookie", "", "a b", "x\0", "é"),
    ],
)
def test_what_is_not_the_clients_stays(name: str) -> None:
    """R32, R37."""
    assert read_response_fields([(name.encode(), b"close")], keep_cookies=False) == []


@pytest.mark.parametrize("name", ODD)
def test_other_names_come_back_as_they_are(name: str) -> None:
    """A client reads a field by its very name, and no gateway in front of a service but this one decides by it."""
    assert read_response_fields([(name.encode(), b"v")], keep_cookies=False) == [(name.lower().encode(), b"v")]
    assert not may_be_set_on_responses(name)


def test_the_rest_comes_back_in_lower_case_and_in_order() -> None:
    raw = [(b"ETag", b"1"), (b"X-A", b"2"), (b"Content-Length", b"3"), (b"x-a", b"4"), (b"Set-Cookie", b"5")]
    lower = [(name.lower(), value) for name, value in raw]
    assert read_response_fields(raw, keep_cookies=True) == lower
    assert read_response_fields(raw, keep_cookies=False) == lower[:-1]


def test_what_an_answers_connection_names_stays() -> None:
    raw = [(b"X-A", b"1"), (b"Connection", b"close, x-a"), (b"X-B", b"2")]
    assert read_response_fields(raw, keep_cookies=False) == [(b"x-b", b"2")]


NAMES = st.text("abcXYZ019-_.: \r\n\0é", max_size=12).map(str.encode) | st.sampled_from(
    [name.encode() for name in (*STAY, *WITHHELD, *CROSS)]
)


@given(st.lists(st.tuples(NAMES.map(bytes.lower), st.binary(max_size=20)), max_size=20))
def test_whatever_comes_only_plain_names_cross(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        lines = read(*headers).lines
    except Refused:
        return
    names = lines[::4]
    assert not {name.encode() for name in (*STAY, *WITHHELD)} & set(names)
    assert all(name.replace(b"-", b"a").isalnum() and name.isascii() for name in names)
    assert all(line == b"\r\n" for line in lines[3::4])


def test_a_command_for_a_proxy_is_dropped() -> None:
    assert read_response_fields([(b"X-Accel-Redirect", b"/secret")], keep_cookies=False) == []


def test_a_dropped_command_for_a_proxy_is_logged_once() -> None:
    names = ResponseNameCache()
    with capture_logs() as lines:
        assert [names[b"X-Accel-Redirect"] for _ in range(3)] == [None] * 3
    assert [(line["event"], line["name"]) for line in lines] == [("response_field_dropped", "x-accel-redirect")]
