"""What 10^10 events take on a cluster: simulated runs on Dask, and the sum from costs that were measured.

    python benchmarks/bench_cluster.py [--units 10000] [--workers 4] [--seconds 0.01] [--lost 5] [--straggler 0.01]
    python benchmarks/bench_cluster.py --score FILE.root [--units 10000] [--workers 4] [--lost 5]

Units that only sleep go through hepad's own executor to a cluster of Dask on this machine, scheduler and client in this
process: its processor time, less that of an idle cluster, is what a unit costs beside the work. So many workers are
killed in the middle of a unit, a part of the units takes fifty times as long, and half way all workers are killed at
once. Every unit must come back once. Then the arithmetic for `--events`, from the processor time and the bytes an event
(`--cost`, `--read`, `--written`), with what Dask takes for a group of units.

With a file, `hepad score` cuts copies of it into so many units of `--step` events, on one process and on the cluster,
where workers are killed and stopped for a while (stragglers) as the run goes on; the outputs must have the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from threading import Timer
from typing import Any

import dask

from hepad.execution.dask_cluster import _GROUP, _PATIENCE, DaskExecutor

STRAGGLER = 50
"""Times as long as others."""
QUIET: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "CRITICAL"}


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


def processes(address: str) -> list[int]:
    """The processes of the workers that are there."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return sorted(client.run(os.getpid, on_error="ignore").values())


def kill(address: str, number: int | None = None) -> int:
    """Kill so many workers, by default all there are; how many it were."""
    pids = processes(address)
    for pid in random.sample(pids, number or len(pids)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return number or len(pids)


def go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def drive(
    job: Sleeper, units: int, address: str, workers: int, half_way: Callable[[], Any]
) -> tuple[float, float, int]:
    """Seconds by the clock and of this process, and how many groups units went in; each must come back once."""
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
            if len(found) == units // 2:
                half_way()
        times = time.perf_counter() - clock, time.process_time() - own
        if sorted(found) != list(range(units)):
            raise SystemExit("units are missing or came twice")
        return *times, executor.groups
    finally:
        executor.close()


def simulate(options: argparse.Namespace) -> float:
    """The milliseconds of scheduler and client that a group of units takes, the median of rounds."""
    from distributed import LocalCluster

    drawn = random.sample(range(options.units // 10, options.units), options.lost)
    slow = random.sample(range(options.units), round(options.straggler * options.units))
    costs = []
    with LocalCluster(n_workers=options.workers, **QUIET) as cluster, tempfile.TemporaryDirectory() as folder:
        address = cluster.scheduler_address
        before = time.process_time()
        time.sleep(5)
        idle = (time.process_time() - before) / 5
        undisturbed = ("undisturbed", Sleeper(options.seconds, frozenset(), frozenset(), folder), lambda: None)
        disturbed = (
            f"{len(drawn)} workers lost, {len(slow)} stragglers, half way all workers lost at once",
            Sleeper(options.seconds, frozenset(slow), frozenset(drawn), folder),
            lambda: kill(address),
        )
        for name, job, half_way in [undisturbed] * options.rounds + [disturbed]:
            clock, own, groups = drive(job, options.units, address, options.workers, half_way)
            extra = options.seconds * (STRAGGLER - 1) * len(job.slow)
            least = (options.seconds * options.units + extra) / options.workers
            cost = 1000 * (own - idle * clock)
            costs.append(cost / groups)
            print(
                f"{name}: {options.units} units of {1000 * options.seconds:g} ms in {groups} groups on "
                f"{options.workers} workers, each once, in {clock:.1f} s (busy all the time: {least:.1f} s); "
                f"scheduler and client: {cost / options.units:.2f} ms a unit, {cost / groups:.1f} ms a group, "
                f"{0.1 * cost / clock:.0f} % of the time",
                flush=True,
            )
    return statistics.median(costs[: options.rounds])


def score_disturbed(options: argparse.Namespace) -> None:
    """Score a file in so many units on one process and on a disturbed cluster, and compare the bytes."""
    from distributed import LocalCluster

    from hepad.execution.executor import Execution
    from hepad.io.reader import open_events
    from hepad.pipeline.score import ScoreOptions, score

    with closing(open_events(options.score)) as source:
        entries = source.entries
    whole, more = divmod(options.units, ceil(entries / options.step))
    with tempfile.TemporaryDirectory() as folder, LocalCluster(n_workers=options.workers, **QUIET) as cluster:
        address, parts = cluster.scheduler_address, 0
        moments = random.sample(range(1, options.units), 2 * options.lost + 1)
        lost, stopped, all_lost = set(moments[1::2]), set(moments[2::2]), moments[0]
        count = Counter[str]()

        def disturb(_: int, __: int | None) -> None:
            nonlocal parts
            parts += 1
            if parts in lost:
                count["killed alone"] += kill(address, 1)
            if parts == all_lost:
                count["killed at once"] += kill(address)
            if parts in stopped:
                pid = random.choice(processes(address))
                os.kill(pid, signal.SIGSTOP)
                Timer(STRAGGLER * 0.1, go_on, [pid]).start()
                count["stopped for a while"] += 1

        files = [Path(folder) / f"{number}.root" for number in range(whole + (more > 0))]
        for file in files:
            shutil.copyfile(options.score, file)
        outputs = []
        for name, execution, on_events in (
            ("one process", Execution(), None),
            ("disturbed", Execution(executor="dask", scheduler=address), disturb),
        ):
            output, clock = Path(folder) / f"{name}.root", time.perf_counter()
            wanted = ScoreOptions(
                output=output,
                step_size=options.step,
                max_events=whole * entries + more * options.step,
                execution=execution,
                on_events=on_events,
            )
            report = score(files, "dnn_ae", options=wanted)
            outputs.append(hashlib.sha256(output.read_bytes()).hexdigest())
            print(
                f"{name}: {report.cutflow.total.events} events of {len(files)} files in "
                f"{time.perf_counter() - clock:.0f} s, sha256 {outputs[-1]}",
                flush=True,
            )
        print(f"{parts} units on {options.workers} workers; {dict(count)}; same bytes: {outputs[0] == outputs[1]}")
        if outputs[0] != outputs[1]:
            raise SystemExit("the outputs differ")


def paper(milliseconds: float, options: argparse.Namespace) -> None:
    """What so many events take."""
    core = options.cost * 1e-6 * options.events
    unit = 10 * options.cluster * milliseconds / 1000
    hours = core / options.cluster / 3600
    read, written = options.read * options.events, options.written * options.events
    print(
        f"\n{options.events:.0e} events at {options.cost:g} us: {core / 3600:.0f} core hours, {hours:.2f} h on "
        f"{options.cluster} workers\n"
        f"read {read / 1e12:.2f} TB, {8 * read / hours / 3600 / 1e9:.1f} Gbit/s; written {written / 1e12:.2f} TB by "
        f"one process, {written / hours / 3600 / 1e6:.0f} MB/s, and as much again for the parts of an interrupted run\n"
        f"the scheduler is busy for less than a tenth of the time with groups, or units, of {unit:.1f} s or more, "
        f"{unit / (options.cost * 1e-6):.0f} events; hepad groups units to {_GROUP * options.cluster:.1f} s"
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
    parser.add_argument("--written", type=float, default=13.3, help="bytes an event")
    parser.add_argument("--score", type=Path, metavar="FILE", help="score copies of this file on the cluster")
    parser.add_argument("--step", type=int, default=10, help="events in a unit of these")
    options = parser.parse_args()
    random.seed(1)
    dask.config.set(_PATIENCE)
    if options.score:
        score_disturbed(options)
    else:
        paper(simulate(options), options)


if __name__ == "__main__":
    main()
