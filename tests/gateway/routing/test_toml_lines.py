"""Where things stand in a TOML document: every place that tomllib knows has its line, however it is written."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.toml_lines import Place, lines_of

ODD = """\
# [no]\r
[a.b]
x = 1.5  # y = 2
"q\\u0041.=" = "= [ # no"
'l"' = 'it'
s = \"\"\"
z = 1
\\\"\"\" [t]
\"\"\"\"\"
[[routes]]
prefix = "/a"
timeout = { connect = 1, read.deep = [1,
  {k = 2}, # [x]

  [3]] }
[routes.sub]
d = 2020-01-01 10:00:00
[[routes]]
[[routes.inner]]
v.w=1
l = '''
n = 1'''
end = true
"""

LINES: dict[Place, int] = {
    ("a",): 2,
    ("a", "b"): 2,
    ("a", "b", "x"): 3,
    ("a", "b", "qA.="): 4,
    ("a", "b", 'l"'): 5,
    ("a", "b", "s"): 6,
    ("routes",): 10,
    ("routes", 0): 10,
    ("routes", 0, "prefix"): 11,
    ("routes", 0, "timeout"): 12,
    ("routes", 0, "timeout", "connect"): 12,
    ("routes", 0, "timeout", "read"): 12,
    ("routes", 0, "timeout", "read", "deep"): 12,
    ("routes", 0, "timeout", "read", "deep", 0): 12,
    ("routes", 0, "timeout", "read", "deep", 1): 13,
    ("routes", 0, "timeout", "read", "deep", 1, "k"): 13,
    ("routes", 0, "timeout", "read", "deep", 2): 15,
    ("routes", 0, "timeout", "read", "deep", 2, 0): 15,
    ("routes", 0, "sub"): 16,
    ("routes", 0, "sub", "d"): 17,
    ("routes", 1): 18,
    ("routes", 1, "inner"): 19,
    ("routes", 1, "inner", 0): 19,
    ("routes", 1, "inner", 0, "v"): 20,
    ("routes", 1, "inner", 0, "v", "w"): 20,
    ("routes", 1, "inner", 0, "l"): 21,
    ("routes", 1, "inner", 0, "end"): 23,
}

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(-9, 9) | st.booleans() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place in a parsed document."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*place, key)
        yield from places(member, (*place, key))


def written(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)} = {written(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def test_odd_forms_are_found_where_they_stand() -> None:
    assert lines_of(ODD) == LINES
    assert set(places(tomllib.loads(ODD))) == set(LINES)


@given(st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=4))
def test_whatever_tomllib_finds_has_its_line(tables: list[dict[str, Any]]) -> None:
    lines: list[str] = []
    expected: dict[Place, int] = {}
    for number, table in enumerate(tables):
        lines += ("", "[[t]]")
        expected["t", number] = len(lines)
        for key, value in table.items():
            lines.append(f"{written(key)} = {written(value)}")
            expected |= {("t", number, key, *place): len(lines) for place in [(), *places(value)]}
    found = lines_of("\n".join(lines))
    assert set(found) == set(places(tomllib.loads("\n".join(lines))))
    assert {place: found[place] for place in expected} == expected
