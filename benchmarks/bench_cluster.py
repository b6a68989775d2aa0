"""What 10^10 events take on a cluster: a simulated run on Dask, and the sum from costs that were measured.

    python benchmarks/bench_cluster.py [--units 10000] [--workers 4] [--seconds 0.01] [--lost 5] [--straggler 0.01]

Units that only sleep go through hepad's own executor to a cluster of Dask on this machine, scheduler and client in this
process: its processor time, less that of an idle cluster, is what a unit costs beside the work. So many workers are
killed in the middle of a unit; a part of the units takes fifty times as long. Every unit must come back once. Then the
arithmetic for `--events`, from the processor time and the bytes an event (`--cost`, `--read`, `--written`), with the
size of a unit at which the scheduler of `--cluster` workers is busy for a tenth of the time.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.execution.dask_cluster import DaskExecutor

STRAGGLER = 50
"""Times as long as others."""


@dataclass(frozen=True)
class Sleeper:
    """A job whose units sleep; those of `lost` kill their process the first time."""

    seconds: float
    slow: frozenset[int]
    lost: frozenset[int]
    folder: str

    def worker(self) -> Any:
        return self

    def do(self, unit: int) -> int:
        mark = Path(self.folder) / str(unit)
        if unit in self.lost and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds * (STRAGGLER if unit in self.slow else 1))
        return unit

    def close(self) -> None:
        """Nothing is open."""


def drive(job: Sleeper, units: int, address: str, workers: int) -> tuple[float, float, int]:
    """Seconds by the clock and of this process, and how many units came back, each once."""
    executor = DaskExecutor(job, address, workers)
    try:
        clock, own = time.perf_counter(), time.process_time()
        waiting, busy, found = iter(range(units)), 0, []
        while len(found) < units:
            while busy < executor.capacity and (unit := next(waiting, None)) is not None:
                executor.submit(unit)
                busy += 1
            found.append(executor.wait())
            busy -= 1
        times = time.perf_counter() - clock, time.process_time() - own
        if sorted(found) != list(range(units)):
            raise SystemExit("units are missing or came twice")
        return *times, len(found)
    finally:
        executor.close()


def simulate(options: argparse.Namespace) -> float:
    """The milliseconds of scheduler and client that a unit takes, the median of rounds."""
    from distributed import LocalCluster

    random.seed(1)
    drawn = random.sample(range(options.units // 10, options.units), options.lost)
    slow = random.sample(range(options.units), round(options.straggler * options.units))
    costs = []
    with (
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
        ) as cluster,
        tempfile.TemporaryDirectory() as folder,
    ):
        before = time.process_time()
        time.sleep(5)
        idle = (time.process_time() - before) / 5
        plans = [("undisturbed", frozenset[int](), frozenset[int]())] * options.rounds
        plans.append((f"{len(drawn)} workers lost, {len(slow)} stragglers", frozenset(slow), frozenset(drawn)))
        for name, slow_units, lost in plans:
            job = Sleeper(options.seconds, slow_units, lost, folder)
            clock, own, done = drive(job, options.units, cluster.scheduler_address, options.workers)
            extra = options.seconds * (STRAGGLER - 1) * len(slow_units)
            least = (options.seconds * options.units + extra) / options.workers
            cost = 1000 * (own - idle * clock) / done
            costs.append(cost)
            print(
                f"{name}: {done} units of {1000 * options.seconds:g} ms on {options.workers} workers, each once, in "
                f"{clock:.1f} s (all workers busy all the time: {least:.1f} s); "
                f"{cost:.2f} ms of scheduler and client a unit",
                flush=True,
            )
    return statistics.median(costs[: options.rounds])


def paper(milliseconds: float, options: argparse.Namespace) -> None:
    """What so many events take."""
    core = options.cost * 1e-6 * options.events
    unit = 10 * options.cluster * milliseconds / 1000
    events = unit / (options.cost * 1e-6)
    hours = core / options.cluster / 3600
    read, written = options.read * options.events, options.written * options.events
    print(
        f"\n{options.events:.0e} events at {options.cost:g} us: {core / 3600:.0f} core hours, {hours:.2f} h on "
        f"{options.cluster} workers\n"
        f"read {read / 1e12:.2f} TB, {8 * read / hours / 3600 / 1e9:.1f} Gbit/s; written {written / 1e12:.2f} TB by "
        f"one process, {written / hours / 3600 / 1e6:.0f} MB/s, and as much again for the parts of an interrupted run\n"
        f"the scheduler is busy for less than a tenth of the time with units of {unit:.1f} s or more, "
        f"{events:.0f} events"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.01)
    parser.add_argument("--lost", type=int, default=5)
    parser.add_argument("--straggler", type=float, default=0.01)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--events", type=float, default=1e10)
    parser.add_argument("--cluster", type=int, default=200)
    parser.add_argument("--cost", type=float, default=10.8, help="microseconds of processor time an event")
    parser.add_argument("--read", type=float, default=34.0, help="bytes an event")
    parser.add_argument("--written", type=float, default=10.0, help="bytes an event")
    options = parser.parse_args()
    paper(simulate(options), options)


if __name__ == "__main__":
    main()
