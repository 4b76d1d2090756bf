"""The header fields of the generated requests."""

from tests.gateway.cold_and_warm.credentials import (
    ACCESS_TOKENS,
    ENDED_HANDLE,
    EXPIRED_TOKENS,
    FORGED_TOKEN,
    LIVE_HANDLES,
    REFRESH_TOKENS,
)

Field = tuple[bytes, bytes]
"""The start of a field line, with the colon and the spaces after it, and the value."""

TOKENS = tuple(token.encode() for token in (*ACCESS_TOKENS, *EXPIRED_TOKENS, FORGED_TOKEN, "short"))
HANDLES = tuple(handle.encode() for handle in (*LIVE_HANDLES, ENDED_HANDLE))
REFRESH = tuple(token.encode() for token in (*REFRESH_TOKENS, "refresh-unknown"))

COMMON: tuple[Field, ...] = (
    (b"User-Agent: ", b"Mozilla/5.0 (X11; Linux x86_64)"),
    (b"Accept: ", b"application/json, text/plain, */*"),
    (b"accept-language: ", b"en-US,en;q=0.9"),
    (b"Accept-Encoding: ", b"gzip, deflate, br"),
    (b"Connection: ", b"keep-alive"),
    (b"Origin: ", b"https://app.example.com"),
    (b"origin: ", b"https://evil.example"),
    (b"Sec-Fetch-Site: ", b"same-origin"),
    (b"sec-fetch-mode: ", b"cors"),
    (b"X-Requested-With: ", b"XMLHttpRequest"),
    (b"Referer: ", b"https://app.example.com/Content-Length: 5"),
    (b"Content-Type: ", b"application/json"),
    (b"X-Thing: ", b"one"),
    (b"X-Thing: ", b"two"),
)
NAVIGATIONS: tuple[tuple[Field, ...], ...] = (
    ((b"Sec-Fetch-Site: ", b"none"), (b"Sec-Fetch-Mode: ", b"navigate"), (b"Sec-Fetch-Dest: ", b"document")),
    ((b"Sec-Fetch-Site: ", b"cross-site"), (b"Sec-Fetch-Mode: ", b"navigate"), (b"Sec-Fetch-Dest: ", b"document")),
    ((b"Accept: ", b"text/html,application/xhtml+xml,*/*;q=0.8"),),
)
_FORM: Field = (b"Content-Type: ", b"application/x-www-form-urlencoded")
FORMS: tuple[tuple[Field, ...], ...] = (
    ((b"Origin: ", b"http://h.example"), _FORM),
    ((b"Origin: ", b"http://h.example"), (b"Sec-Fetch-Site: ", b"same-origin"), _FORM),
    ((b"Origin: ", b"null"), (b"Sec-Fetch-Site: ", b"same-origin"), _FORM),
    ((b"Origin: ", b"null"), (b"Sec-Fetch-Site: ", b"cross-site"), _FORM),
    ((b"Origin: ", b"https://app.example.com"), _FORM),
    ((b"Sec-Fetch-Site: ", b"same-origin"), _FORM),
)
"""The fields with which a browser sends a form, of the gateway's own origin and of others."""
TRACES = (b"00-%032x-%016x-01" % (7, 1), b"00-%032x-%016x-00" % (8, 2), b"00-%032x" % 9, b"abc")
ETAGS = (b'"1"', b'"2"', b'W/"3"', b'"1", "2"', b"*")
RARE: tuple[Field, ...] = (
    (b"Remote-User: ", b"root"),
    (b"Remote_User: ", b"root"),
    (b"REMOTE.USER: ", b"root"),
    (b"x-forwarded-groups: ", b"admin"),
    (b"X_Thing: ", b"root"),
    (b"Connection: ", b"Remote-User, Sec-Fetch-Mode"),
    (b"Sec-Purpose: ", b"prefetch"),
    (b"HX-Request: ", b"true"),
    (b"Origin: ", b"null"),
    (b"Connection: ", b"X-Thing"),
    (b"Connection: ", b"keep-alive, Authorization"),
    (b"Connection: ", b"close"),
    (b"Connection: ", b"If-None-Match, traceparent"),
    (b"if-none-match: ", ETAGS[1]),
    (b"IF-NONE-MATCH: ", ETAGS[1]),
    (b"X-If-None-Match: ", ETAGS[0]),
    (b"Traceparent: ", TRACES[1]),
    (b"Connection: ", b"Upgrade"),
    (b"Upgrade: ", b"websocket"),
    (b"Keep-Alive: ", b"timeout=5"),
    (b"TE: ", b"trailers"),
    (b"Expect: ", b"100-continue"),
    (b"Expect: ", b"something"),
    (b"Via: ", b"1.1 proxy"),
    (b"Via: ", b"1.1 sallyport"),
    (b"Max-Forwards: ", b"3"),
    (b"Max-Forwards: ", b"x"),
    (b"X-User-Id: ", b"root"),
    (b"X_User_Id: ", b"root"),
    (b"X_Trace: ", b"t"),
    (b"X-Email: ", b"root@example.org"),
    (b"X-Identity: ", b"forged"),
    (b"X-Forwarded-For: ", b"203.0.113.9"),
    (b"Forwarded: ", b"for=203.0.113.9"),
    (b"X-Request-Id: ", b"chosen"),
    (b"X-Empty:", b""),
    (b"X-Spaces:   ", b"two  words  "),
    (b"X-Tab:\t", b"a\tb"),
    (b"X-Text: ", b"caf\xc3\xa9 \xff"),
    (b"X-Control: ", b"a\x01b"),
    (b"X-Nul: ", b"a\0b"),
    (b"X-Cr: ", b"a\rb"),
    (b"X-Lf: ", b"a\nb"),
    (b"X-Fold: ", b"a\r\n b"),
    (b"X-Colon : ", b"space"),
    (b" X-Start: ", b"space"),
    (b"No-Colon", b""),
    (b"X-Inner: ", b"Authorization: Bearer " + TOKENS[1]),
    (b"X-Authorization: ", b"Bearer " + TOKENS[1]),
    (b"Authorization: ", b"Basic YTpi"),
    (b"authorization: Bearer ", TOKENS[1]),
    (b"cookie: ", b"theme=light"),
    (b"Cookie: ", b"__Host-session=" + HANDLES[1]),
    (b"X-Refresh-Token: ", REFRESH[1]),
    (b"Host: ", b"other.example"),
    (b"host: ", b"bad host"),
    (b"Transfer-Encoding: ", b"chunked"),
    (b"content-length: ", b"5"),
    (b"Content-Length: ", b"0"),
    (b"Content_Length: ", b"5"),
)
SECOND_CREDENTIALS: tuple[Field, ...] = (
    (b"cookie: ", b"theme=light"),
    (b"Cookie: ", b"__Host-session=" + HANDLES[1]),
    (b"COOKIE: ", b"theme=light"),
    (b"authorization: Bearer ", TOKENS[1]),
    (b"AUTHORIZATION: Bearer ", TOKENS[1]),
    (b"x-refresh-token: ", REFRESH[1]),
    (b"X-REFRESH-TOKEN: ", REFRESH[1]),
)
