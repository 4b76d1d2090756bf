"""What is kept stays within its size, whatever comes, and the newest are kept."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.bounded_cache import make_room


@given(st.integers(1, 200), st.integers(0, 1_000))
def test_the_newest_are_kept_and_never_more_than_may_be(size: int, come: int) -> None:
    kept: dict[int, None] = {}
    for number in range(come):
        make_room(kept, size)
        kept[number] = None
        assert len(kept) <= size
    assert list(kept) == list(range(come))[-len(kept) :] if kept else come == 0
    assert len(kept) >= min(come, size - size // 16)
