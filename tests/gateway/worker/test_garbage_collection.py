"""The garbage collector of a worker."""

import gc
from collections.abc import Iterator

import pytest

from gateway.worker.garbage_collection import configure_garbage_collector

Collections = list[int]
"""The generation of each collection."""


@pytest.fixture
def collections() -> Iterator[Collections]:
    """Yield the collections since the test began; restore the collector afterwards."""
    generations: Collections = []

    def record(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            generations.append(info["generation"])

    thresholds = gc.get_threshold()
    gc.callbacks.append(record)
    yield generations
    gc.callbacks.remove(record)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_two_thousand_new_connections_cause_few_collections_and_no_full_one(collections: Collections) -> None:
    """A burst of connections adds about 110,000 objects. Python's defaults would make 150 collections."""
    configure_garbage_collector()
    collections.clear()

    connections = [[number] for number in range(110_000)]

    assert len(connections) == 110_000
    assert 2 not in collections
    assert len(collections) <= 11


@pytest.mark.usefixtures("collections")
def test_reference_cycles_are_still_collected() -> None:
    """Closed connections leave cycles, which must not stay in memory."""
    configure_garbage_collector()

    for _ in range(110_000):
        cycle: list[object] = []
        cycle.append(cycle)

    assert len(gc.get_objects()) < 20_000  # without the frozen ones
