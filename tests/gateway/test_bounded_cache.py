"""A bounded cache never exceeds its size, and evicts the entries that were set longest ago."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.bounded_cache import BoundedCache


@given(st.integers(1, 200), st.integers(0, 1_000))
def test_the_newest_entries_stay_and_the_size_is_never_exceeded(max_entries: int, insertions: int) -> None:
    cache = BoundedCache[int, None](max_entries)
    for number in range(insertions):
        cache[number] = None
        assert len(cache) <= max_entries
    assert list(cache) == list(range(insertions - len(cache), insertions))
    assert len(cache) >= min(insertions, max_entries - max_entries // 16)


def test_setting_a_key_again_makes_it_the_newest_and_evicts_nothing() -> None:
    cache = BoundedCache[str, int](2)
    cache["a"], cache["b"] = 1, 2
    cache["a"] = 3
    assert cache == {"b": 2, "a": 3}
    cache["c"] = 4
    assert cache == {"a": 3, "c": 4}


def test_reading_a_key_does_not_protect_it_from_eviction() -> None:
    cache = BoundedCache[str, int](2)
    cache["a"], cache["b"] = 1, 2
    assert cache.get("a") == 1
    cache["c"] = 3
    assert list(cache) == ["b", "c"]
