"""How long does CWoLa hunting with trees take over many windows? Beside the same trainings in plain scikit-learn.

    python benchmarks/bench_windows.py [--events 250000] [--windows 16] [--workers 2] [--plain 8]

Events with a falling mass and eight numbers; in each of overlapping windows five folds, each scored by trees that are
validated on another one: 16 x 5 = 80 trainings and the scores of all events in all windows. `plain`: so many of these
trainings by `HistGradientBoostingClassifier` alone, weights and validation sample as here, one after the other.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from hepad.cards.method import MethodKeys
from hepad.cards.train import TrainCard
from hepad.execution.executor import Execution
from hepad.execution.store import MemoryStore
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.scale import Scale
from hepad.methods.base import MASS, How, Problem, Sample, Window
from hepad.pipeline.hunt.trainings import Assignment, run_trainings

FEATURES = [f"c{i}" for i in range(8)]
FOLDS = 5


def data(n: int) -> Sample:
    rng = np.random.default_rng(1)
    mass = 1500 + rng.exponential(700, n)
    x = rng.normal(size=(n, len(FEATURES))) + 0.1 * (mass[:, None] - 2200) / 700 * np.linspace(0, 1, len(FEATURES))
    batch = Batch("table", Layout.vector(FEATURES), x.astype(np.float32), None, np.ones(n), {MASS: mass})
    return Sample(Scale.standard(batch).of(batch), rng.integers(0, FOLDS, n))


def windows(count: int) -> list[Window]:
    edges = np.geomspace(1550, 5000, count + 3)
    return [Window(*edges[i : i + 2], (edges[i - 1], edges[i + 2])) for i in range(1, count + 1)]


def assignment(sample: Sample, window: Window) -> Assignment:
    low, high = window.sidebands
    inside = sample.take((sample.mass >= low) & (sample.mass < high))
    keys = MethodKeys(name="cwola", classifier={"kind": "trees"}, rotations=1)
    return Assignment(keys, sample.events.layout, Problem(inside, window), How(TrainCard(), 1))


def plain(assignments: list[Assignment], count: int) -> float:
    """Seconds of `count` trainings in scikit-learn alone, spread over the windows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    begin = time.perf_counter()
    for n in range(count):
        problem = assignments[n * len(assignments) // count].problem
        label = problem.parts["window"].astype(float)
        share = np.where(label > 0, 1 / label.sum(), 1 / (len(label) - label.sum())) * len(label) / 2
        fold, rows = problem.data.folds, problem.data.events.x
        train, validation = fold > 1, fold == 1
        forest = HistGradientBoostingClassifier(max_iter=200, early_stopping=True, n_iter_no_change=10, tol=0.0)
        forest.fit(
            rows[train],
            label[train],
            share[train],
            X_val=rows[validation],
            y_val=label[validation],
            sample_weight_val=share[validation],
        )
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=250_000)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plain", type=int, default=8)
    options = parser.parse_args()
    sample = data(options.events)
    assignments = [assignment(sample, window) for window in windows(options.windows)]
    mean = np.mean([len(one.problem.data.folds) for one in assignments])
    print(f"{options.events} events, {mean:.0f} in the sidebands of a window")
    begin, processor = time.perf_counter(), time.process_time()
    named = {f"{place}": one for place, one in enumerate(assignments)}
    fitted = run_trainings(named, MemoryStore(), execution=Execution(options.workers))
    trained = time.perf_counter() - begin
    for learned in fitted.values():
        learned.scores(sample.events, sample.folds)
    taken, processor = time.perf_counter() - begin, time.process_time() - processor
    count = options.windows * FOLDS
    print(
        f"{count} trainings, {options.workers} workers: {trained:.1f} s, {taken:.1f} s with all scores; this process "
        f"{processor:.1f} s of processor time"
    )
    each = plain(assignments, options.plain) / options.plain
    print(
        f"plain scikit-learn: {each:.2f} s a training, {each * count:.0f} s for {count}: {each * count / trained:.1f}"
    )


if __name__ == "__main__":
    main()
