"""FrameTracker finds frame boundaries in parts of any size, and close_frame builds valid Close frames."""

from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from gateway.proxy.websocket_frames import FrameTracker, close_frame

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING]),
        st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def serialized(opcode: Opcode, size: int, masked: bool, final: bool) -> bytes:
    """Return a frame as the websockets library serializes it."""
    size = min(size, 125) if opcode is Opcode.PING else size
    return Frame(opcode, b"x" * size, fin=final or opcode is Opcode.PING).serialize(mask=masked)


@given(frames=FRAMES, cuts=st.lists(st.integers(1, 70_000), max_size=20))
def test_a_boundary_is_reported_exactly_at_the_end_of_every_frame(
    frames: list[tuple[Opcode, int, bool, bool]], cuts: list[int]
) -> None:
    blocks = [serialized(*frame) for frame in frames]
    whole = b"".join(blocks)
    ends = {sum(map(len, blocks[: number + 1])) for number in range(len(blocks))}
    tracker = FrameTracker()
    position = 0
    for cut in [*cuts, len(whole)]:
        tracker.follow(whole[position : position + cut])
        position = min(position + cut, len(whole))
        assert tracker.at_boundary == (position in ends)
    assert not tracker.close_seen


@given(data=st.data(), frames=FRAMES)
def test_following_one_frame_stops_at_its_end(
    data: st.DataObject, frames: list[tuple[Opcode, int, bool, bool]]
) -> None:
    first, *others = [serialized(*frame) for frame in frames]
    begun = data.draw(st.integers(1, len(first)))
    tracker = FrameTracker()
    tracker.follow(first[:begun])
    assert tracker.follow_frame(first[begun:] + b"".join(others)) == len(first) - begun
    assert tracker.at_boundary


@pytest.mark.parametrize("masked", [False, True])
def test_a_close_frame_that_comes_byte_by_byte_is_recognized(masked: bool) -> None:
    tracker = FrameTracker()
    seen: list[tuple[bool, bool]] = []
    for byte in serialized(Opcode.TEXT, 8, masked, True) + close_frame(1000, "bye", masked=masked):
        tracker.follow(bytes([byte]))
        seen.append((tracker.close_seen, tracker.at_boundary))
    assert seen[-1] == (True, True)
    assert (True, True) not in seen[:-1]


@pytest.mark.parametrize("masked", [False, True])
def test_close_frames_are_valid_for_the_websockets_library(masked: bool) -> None:
    reader = StreamReader()
    reader.feed_data(close_frame(4401, "token_expired", masked=masked))
    parsing = Frame.parse(reader.read_exact, mask=masked)
    frame = _returned(parsing)
    frame.check()
    assert frame.opcode is Opcode.CLOSE
    assert Close.parse(frame.data) == Close(4401, "token_expired")


def _returned(parsing: Generator[None, None, Frame]) -> Frame:
    try:
        next(parsing)
    except StopIteration as done:
        frame: Frame = done.value
        return frame
    raise AssertionError("the frame is not whole")
