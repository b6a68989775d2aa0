"""Pseudo-experiments of a bump hunt per second, side by side with pyBumpHunter in one run on one machine.

    pip install --no-deps --target PEER pyBumpHunter==0.5.1
    python benchmarks/bench_bumphunt.py [--peer PEER] [--repeats 3] [--toys 1000000]

Both hunt in pyBumpHunter's own example (60 bins, widths 2 to 6) with the reference held fixed. Runs alternate, so that
a machine whose speed drifts does not favour one. Times are of the processor, all threads together, and of the clock.
Without a peer only hepad is timed. The later rows are hepad's alone: wide windows, ATLAS dijets, refitted and counted
references.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hepad.cards.fit import load_fit
from hepad.spectra.files import read_spectrum
from hepad.stats.bumphunt import ScanOptions, bump_hunt
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction

ROOT = Path(__file__).parents[1]
EXAMPLE = read_spectrum(str(ROOT / "tests/data/pybumphunter_example.csv"))
ATLAS = read_spectrum(str(ROOT / "examples/data/atlas_dijet_139fb.csv"))
PEER_TOYS = 10_000


def timed(job: Callable[[], object]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    job()
    return time.process_time() - processor, time.perf_counter() - clock


def median(runs: list[tuple[float, float]], toys: int) -> tuple[float, float]:
    """Microseconds for each pseudo-experiment: of the processor and of the clock."""
    return tuple(statistics.median(run[i] for run in runs) / toys * 1e6 for i in (0, 1))  # type: ignore[return-value]


def row(name: str, toys: int, figures: tuple[float, float]) -> None:
    print(f"{name:<52} {toys:>9} {figures[0]:10.2f} {figures[1]:10.2f} {figures[1] * toys / 1e6:9.2f} s")


def hepad_job(toys: int) -> Callable[[], object]:
    options = ScanOptions(2, 6)
    return lambda: bump_hunt(EXAMPLE.edges, EXAMPLE.counts, EXAMPLE.reference, options=options, toys=toys)


def peer_job(folder: str) -> Callable[[], object]:
    sys.path.insert(0, folder)
    import pyBumpHunter

    def job() -> object:
        with contextlib.redirect_stdout(io.StringIO()):
            return hunt()

    def hunt() -> object:
        hunter = pyBumpHunter.BumpHunter1D(
            rang=[0, 20], width_min=2, width_max=6, width_step=1, scan_step=1, npe=PEER_TOYS, nworker=1, seed=666,
            bins=EXAMPLE.edges,
        )  # fmt: skip
        return hunter.bump_scan(EXAMPLE.counts, EXAMPLE.reference, is_hist=True)

    return job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="folder with pyBumpHunter")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--toys", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"{'':<52} {'toys':>9} {'cpu us':>10} {'clock us':>10}")
    ours, theirs = hepad_job(options.toys), peer_job(options.peer) if options.peer else None
    hepad_job(1000)()
    pairs = [(timed(ours), timed(theirs) if theirs else (0.0, 0.0)) for _ in range(options.repeats)]
    mine = median([a for a, _ in pairs], options.toys)
    row("hepad, fixed reference, 285 windows", options.toys, mine)
    if theirs:
        peer = median([b for _, b in pairs], PEER_TOYS)
        row("pyBumpHunter, fixed reference, 285 windows", PEER_TOYS, peer)
        print(f"{'ratio of processor and of clock':<52} {'':>9} {peer[0] / mine[0]:10.0f} {peer[1] / mine[1]:10.0f}")
    fit = fit_background(ATLAS.edges, ATLAS.counts, BackgroundFunction.from_card(load_fit("dijet4")))
    e, a = EXAMPLE, ATLAS
    jobs: list[tuple[str, int, Callable[[int], object]]] = [
        ("hepad, 60 bins, widths 2 to 30 (1305 windows)", options.toys,
         lambda n: bump_hunt(e.edges, e.counts, e.reference, toys=n)),
        ("hepad, 60 bins, counted reference", options.toys // 50,
         lambda n: bump_hunt(e.edges, e.counts, e.reference, variances=e.reference, options=ScanOptions(2, 6), toys=n)),
        ("hepad, ATLAS dijets (92 bins, 3014 windows)", options.toys // 10,
         lambda n: bump_hunt(a.edges, a.counts, a.reference, toys=n)),
        ("hepad, ATLAS dijets, four parameters refitted", options.toys // 10,
         lambda n: bump_hunt(a.edges, a.counts, fit.expected, refit=fit, toys=n)),
    ]  # fmt: skip
    for name, toys, job in jobs:
        row(name, toys, median([timed(lambda job=job, toys=toys: job(toys))], toys))  # type: ignore[misc]


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
