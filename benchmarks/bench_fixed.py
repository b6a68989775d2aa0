"""Events a second of triggers' networks in their own fixed-point arithmetic, on one core, by processor time.

    OMP_NUM_THREADS=1 python benchmarks/bench_fixed.py FOLDER ...

Each folder holds the C++ headers of one version, as for `hepad import-model`. Inputs are random integers.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from hepad.pipeline.import_model.library import read_library

EVENTS, ROUNDS = 200_000, 3


def main(folders: list[str]) -> None:
    print(f"{'folder':24} {'inputs':>6} {'events/s':>10}")
    for name in folders:
        scorer = read_library(Path(name), None).scorer
        x = np.random.default_rng(1).integers(0, 200, (EVENTS, scorer.layout.size)).astype(np.float32)
        seconds = []
        for _ in range(ROUNDS):
            start = time.process_time()
            scorer.exact(x)
            seconds.append(time.process_time() - start)
        print(f"{Path(name).name:24} {scorer.layout.size:6} {EVENTS / min(seconds):10.3g}")


if __name__ == "__main__":
    main(sys.argv[1:])
