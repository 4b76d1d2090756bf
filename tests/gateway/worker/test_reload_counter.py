"""A worker can detect that a reload has replaced it."""

from gateway.worker.reload_counter import ReloadCounter


def test_a_reload_replaces_only_workers_that_were_forked_before_it() -> None:
    reloads = ReloadCounter()
    old_worker = reloads.watch()
    assert not old_worker()
    reloads.increment()
    new_worker = reloads.watch()
    assert old_worker()
    assert not new_worker()


def test_the_count_wraps_at_256() -> None:
    reloads = ReloadCounter()
    for _ in range(255):
        reloads.increment()
    worker = reloads.watch()
    reloads.increment()
    assert worker()
