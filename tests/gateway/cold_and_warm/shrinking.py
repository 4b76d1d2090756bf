"""Shrink a case that shows a difference: remove what is not needed for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from tests.gateway.cold_and_warm.cases import Case, Message


def shrink(case: Case, differs: Callable[[Case], bool]) -> Case:
    """Return a smaller case for which `differs` is true, as it is for `case`."""
    while True:
        smaller = next((candidate for candidate in _smaller(case) if candidate != case and differs(candidate)), None)
        if smaller is None:
            return case
        case = smaller


def _smaller(case: Case) -> Iterator[Case]:
    for index in range(len(case.neighbours)):
        yield replace(case, neighbours=case.neighbours[:index] + case.neighbours[index + 1 :])
    yield _mapped(case, bytes)
    messages = (case.message, *case.neighbours)
    raws = [message.pieces for message in messages]
    raws += [response.pieces for message in messages for response in message.responses]
    lines = dict.fromkeys(line for pieces in raws for line in b"".join(pieces).split(b"\r\n")[1:] if line)
    for line in lines:
        yield _mapped(case, partial(_without, line))
    yield replace(case, message=_shorter(case.message))


def _without(line: bytes, raw: bytes) -> bytes:
    return raw.replace(b"\r\n" + line, b"", 1)


def _shorter(message: Message) -> Message:
    return replace(message, responses=message.responses[:-1] or message.responses)


def _mapped(case: Case, change: Callable[[bytes], bytes]) -> Case:
    """Return `case` with `change` applied to everything that is sent, in one piece each."""

    def changed(message: Message) -> Message:
        responses = tuple(
            response._replace(pieces=(change(b"".join(response.pieces)),)) for response in message.responses
        )
        return replace(message, pieces=(change(b"".join(message.pieces)),), responses=responses)

    return replace(case, message=changed(case.message), neighbours=tuple(map(changed, case.neighbours)))
