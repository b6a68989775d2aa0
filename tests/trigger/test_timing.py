from __future__ import annotations

import os
from threading import Event, Thread

import numpy as np
import pytest
import torch

from hepad.errors import UsageError
from hepad.threads import cores
from hepad.trigger import timing
from hepad.trigger.memory import peak_memory_mb, processor, restart_peak
from hepad.trigger.timing import pinned, time_functions

X = np.arange(40, dtype=np.float32).reshape(10, 4)


def test_timing_counts_calls_and_batches():
    seen: list[tuple[int, ...]] = []
    with pinned():
        (found,) = time_functions(
            {"mine": lambda part: seen.append(part.shape)}, X, 3, threads=1, seconds=0.001, repetitions=3
        )
    assert set(seen) == {(3, 4)}
    assert found.repetitions == 3
    assert found.calls >= 3 * timing.LEAST_BATCHES
    assert len(seen) > found.calls  # the warm-up
    assert 0 < found.p50.best <= found.p50.median <= found.p99.median
    assert 0 <= found.jitter.best <= found.jitter.median <= found.p99.median
    assert found.rate.best >= found.rate.median > 0
    assert peak_memory_mb() > found.memory_mb / 2 > 5


def test_a_batch_of_more_events_than_there_are_has_them_several_times():
    seen: list[np.ndarray] = []
    images = X.reshape(10, 2, 2)[:2]
    time_functions({"mine": seen.append}, images, 5, threads=1, seconds=0.001, repetitions=2)
    assert np.array_equal(seen[0], images[[0, 1, 0, 1, 0]])


class Clock:
    """Stands for the module `time`: a call of it takes 2 ms, for a quarter of which it has the processor."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: object) -> None:
        self.calls += 1

    def perf_counter_ns(self) -> int:
        return self.calls * 2_000_000

    def process_time_ns(self) -> int:
        return self.calls * 500_000

    def perf_counter(self) -> float:
        return self.perf_counter_ns() * 1e-9


@pytest.mark.parametrize(("batch", "seconds", "calls"), [(1, 0.01, timing.LEAST_CALLS), (5, 0.01, 5), (1, 1, 250)])
def test_times_are_those_of_the_calls_and_waiting_is_told_from_working(monkeypatch, batch, seconds, calls):
    monkeypatch.setattr(timing, "time", clock := Clock())
    (found,) = time_functions({"mine": clock}, X, batch, threads=1, seconds=seconds, repetitions=2)
    assert found.calls == pytest.approx(2 * calls, abs=2)  # one call more or less by the clock's rounding
    for spread, expected in ((found.p50, 2e6), (found.p99, 2e6), (found.jitter, 0), (found.p99_processor, 5e5)):
        assert (spread.median, spread.best, spread.error) == (expected, expected, 0)
    assert found.rate.median == pytest.approx(500 * batch)
    assert found.rate_processor.median == pytest.approx(2000 * batch)
    assert found.on_processor == pytest.approx(0.25)


def test_a_spread_is_over_repetitions(monkeypatch):
    runs = iter([[10, 20, 30], [12, 22, 32], [10, 40, 90]])
    made = timing._Run
    monkeypatch.setattr(timing, "_repetition", lambda *_: made(np.array(t := next(runs)), np.array(t) // 2))
    (found,) = time_functions({"mine": np.sum}, X, 5, threads=1, seconds=0.001, repetitions=3)
    assert (found.p50.median, found.p50.best) == (22, 20)
    assert found.p50.error == pytest.approx(np.std([20, 22, 40], ddof=1))
    assert found.p99.median == pytest.approx(31.8)  # of 12, 22, 32
    assert found.p99_processor is not None
    assert found.p99_processor.median == pytest.approx(15.9)
    assert found.rate.best == pytest.approx(5 * 3 / 60e-9)
    assert found.rate_processor is not None
    assert found.rate_processor.best == pytest.approx(5 * 3 / 30e-9)
    assert (found.calls, found.on_processor) == (9, pytest.approx(0.5))


def test_numbers_of_a_spread_have_names_and_are_none_for_several_threads():
    (found,) = time_functions({"mine": np.sum}, X, 20, threads=2, seconds=0.001, repetitions=2)
    numbers = found.to_json()
    assert (numbers["batch"], numbers["threads"]) == (20, 2)
    assert numbers["p99_ns"] == found.p99.median
    assert numbers["events_per_second_best"] == found.rate.best
    assert numbers["on_processor"] is None
    assert numbers["p99_processor_error_ns"] is None


def test_all_threads_are_kept_on_the_core_and_set_free_again():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system keeps no process on a core")
    allowed, threads, stop = os.sched_getaffinity(0), torch.get_num_threads(), Event()
    other = Thread(target=stop.wait)
    other.start()
    try:
        with pinned():
            assert os.sched_getaffinity(0) == {max(allowed)}
            assert os.sched_getaffinity(other.native_id or 0) == {max(allowed)}
            assert torch.get_num_threads() == 1
        assert os.sched_getaffinity(other.native_id or 0) == os.sched_getaffinity(0) == allowed
        assert torch.get_num_threads() == threads
    finally:
        stop.set()
        other.join()


def test_more_threads_than_cores_are_refused():
    with pytest.raises(UsageError, match=f"may use {len(cores())} cores"), pinned(10_000):
        pass


def test_the_peak_of_memory_begins_anew():
    restart_peak()
    before = peak_memory_mb()
    block = np.ones(4_000_000)  # 32 MB
    high = peak_memory_mb()
    assert high > before + 25
    del block
    restart_peak()
    if os.path.exists("/proc/self/clear_refs"):  # noqa: PTH110
        assert peak_memory_mb() < high - 20


def test_the_processor_has_a_name():
    found = processor()
    assert found["name"]
    assert found["cores"] >= len(cores())
