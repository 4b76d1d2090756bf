"""JSON bodies are parsed strictly, so that no two parsers can read one body differently."""

import json
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.json_body import JSON, MAX_DEPTH, MalformedJson, parse_json


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -7, 1.5, 1e300, "", "text", "ü€😀", [], {}, [1, [2, {"a": None}]], {"a": {"b": [1, "x"]}}],
)
def test_plain_values_are_parsed(value: JSON) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


# A malformed body, and the field that the error names; None if it names none.
REJECTED = [
    (b"", None),
    (b"   ", None),
    (b"{", None),
    (b"{]", None),
    (b"{'a': 1}", None),
    (b'{"a": 1,}', None),
    (b'{"a": 1} x', None),
    (b"// comment\n1", None),
    (b"\xef\xbb\xbf1", None),
    (b"NaN", None),
    (b'{"a": NaN}', None),
    (b'{"a": Infinity}', None),
    (b'{"a": -Infinity}', None),
    (b'{"a": 1e999}', "a"),
    (b'{"a": [-1e999]}', "a"),
    (b"1e999", None),
    (b'{"a": 01}', None),
    (b'{"a": "\t"}', None),
    (b"\xff", None),
    (b'{"a": "\xc3\x28"}', None),
    (b'{"a": "\xed\xa0\x80"}', None),
    (b'{"a": "\xc0\x80"}', None),
    ('{"a": 1}'.encode("utf-16"), None),
    (b'{"a": 1, "a": 1}', "a"),
    (b'{"outer": {"a": 1, "a": 2}}', "a"),
    (b'{"\\u0000": 1, "\\u0000": 2}', None),
    (b'{"a": "\\u0000"}', "a"),
    (b'{"a": ["x", {"b": "\\u0000"}]}', "a"),
    (b'{"a": {"\\u0000": 1}}', "a"),
    (b'{"\\u0000": 1}', None),
    (b'"\\u0000"', None),
    (b'{"a": "\\ud800"}', "a"),
    (b'{"a": "\\udc00\\ud800"}', "a"),
    (b'{"\\ud800": 1}', None),
    (b'["\\ud800"]', None),
    (b'{"a": ' + b"9" * 401 + b"}", None),
    (b'{"a": -' + b"9" * 5_000 + b"}", None),
    (b"[" * 100_000, None),
    (b'{"a":' * 100_000, None),
    (b"[" * 100_000 + b"]" * 100_000, None),
]


@pytest.mark.parametrize(("body", "field"), REJECTED, ids=lambda part: repr(part)[:30])
def test_malformed_or_ambiguous_json_is_rejected_and_the_field_is_named(body: bytes, field: str | None) -> None:
    with pytest.raises(MalformedJson) as error:
        parse_json(body)
    assert error.value.field == field
    assert error.value.reason


def nested(depth: int, innermost: str, opening: str, closing: str) -> bytes:
    return (opening * depth + innermost + closing * depth).encode()


@pytest.mark.parametrize("innermost", ["", "1", '"x"'])
def test_lists_may_nest_a_hundred_levels(innermost: str) -> None:
    parse_json(nested(MAX_DEPTH, innermost, "[", "]"))
    with pytest.raises(MalformedJson, match="nested deeper"):
        parse_json(nested(MAX_DEPTH + 1, innermost, "[", "]"))


@pytest.mark.parametrize("innermost", ["{}", "1", "[]"])
def test_objects_may_nest_a_hundred_levels(innermost: str) -> None:
    inside = 0 if innermost == "1" else 1  # an innermost object or list is a level too
    parse_json(nested(MAX_DEPTH - inside, innermost, '{"a":', "}"))
    with pytest.raises(MalformedJson, match="nested deeper") as error:
        parse_json(nested(MAX_DEPTH - inside + 1, innermost, '{"a":', "}"))
    assert error.value.field == "a"


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


def test_integers_may_have_up_to_four_hundred_digits() -> None:
    assert parse_json(b"9" * 400) == 10**400 - 1


def test_a_body_with_many_members_is_parsed_quickly() -> None:
    """In a time that grows with the length of the body, not with its square."""
    wide = json.dumps({f"key-{number}": [number] * 3 for number in range(20_000)}).encode()
    started = time.process_time()
    assert len(parse_json(wide)) == 20_000  # type: ignore[arg-type]
    assert time.process_time() - started < 2


FRAGMENTS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b'"a"',
        b"1",
        b"-",
        b"e9",
        b"NaN",
        b"null",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.binary(max_size=60)
    | st.lists(FRAGMENTS, max_size=20).map(b"".join)
    | VALUES.map(lambda v: json.dumps(v).encode())
)
@example(b'{"a":' * 1_000)
@example(b"-")
def test_any_body_is_parsed_or_rejected(body: bytes) -> None:
    """parse_json raises nothing but MalformedJson, and every value it returns can be encoded and stored."""
    try:
        value = parse_json(body)
    except MalformedJson:
        return
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    assert "\0" not in written
    assert parse_json(written.encode("utf-8")) == value


@given(VALUES)
def test_encoded_values_are_parsed_unchanged(value: JSON) -> None:
    def is_plain(member: JSON) -> bool:
        if isinstance(member, dict):
            return all(is_plain(part) for pair in member.items() for part in pair)
        if isinstance(member, list):
            return all(is_plain(part) for part in member)
        if isinstance(member, str):
            return "\0" not in member and not any("\ud800" <= letter <= "\udfff" for letter in member)
        return not isinstance(member, float) or math.isfinite(member)

    body = json.dumps(value).encode()
    if is_plain(value):
        assert parse_json(body) == value
    else:
        with pytest.raises(MalformedJson):
            parse_json(body)
