"""How good are trees at weak supervision? The two yardsticks on LHC Olympics features, beside what is published.

    python benchmarks/bench_yardsticks.py FOLDER [--seeds 1 2] [--classifier trees]

FOLDER has `innerdata_{train,val,test,extrasig_train,extrasig_val}.npy` of the window 3.3 to 3.7 TeV: m_jj (TeV), m_J1,
m_J2 - m_J1 (TeV), tau21 of both jets, truth. `idealised`: the events of `train`, of which 0.7 % are signal, against
the background of `val`. `supervised`: `extrasig` against the background of `train` and `val`. Both are judged on
`test`, which neither has seen. Published: 0.877 and 9.5, 0.971 and 14.0. Nothing is tuned: trees are scikit-learn's as
they are.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from hepad.cards.method import MethodKeys
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.scale import Scale
from hepad.methods.base import MASS, How, Problem, Sample, Window, make_method, train_all
from hepad.stats.scores.roc import roc_curve
from hepad.stats.scores.working_points import best_improvement

LAYOUT = Layout.vector(["c1", "c2", "c3", "c4"])
WINDOW = Window(3300, 3700, (3200, 3800))
FOLDS = 5
LEAST = 40
OPTIONS = TrainCard(epochs=30, batch_size=256, patience=10)


def batch(rows: np.ndarray) -> Batch:
    beside = {MASS: 1000 * rows[:, 0]}
    return Batch("table", LAYOUT, rows[:, 1:5].astype(np.float32), None, np.ones(len(rows)), beside)


def measure(folder: Path, name: str, classifier: str, seed: int) -> None:
    train, val, test, *signal = (
        np.load(folder / f"innerdata_{part}.npy") for part in ("train", "val", "test", "extrasig_train", "extrasig_val")
    )
    background = val[val[:, 5] == 0]
    data = train if name == "idealised" else test
    if name == "supervised":
        background = np.concatenate([background, train[train[:, 5] == 0]])
    scale, rng = Scale.standard(batch(data)), np.random.default_rng(seed)

    def sample(rows: np.ndarray) -> Sample:
        return Sample(scale.of(batch(rows)), rng.integers(0, FOLDS, len(rows)))

    signals = {"resonance": sample(np.concatenate(signal))} if name == "supervised" else {}
    keys = MethodKeys(name=name, classifier={"kind": classifier}, rotations=4 if name == "idealised" else 1)
    begin = time.process_time()
    problem = Problem(sample(data), WINDOW, sample(background), signals)
    fitted = train_all(make_method(keys, LAYOUT), problem, How(OPTIONS, seed))
    taken = time.process_time() - begin
    scores = fitted.scores(scale.of(batch(test)), np.full(len(test), -1))["log_odds"]
    truth = test[:, 5] == 1
    curve = roc_curve(scores[truth], scores[~truth])
    value, _ = best_improvement(curve, LEAST / np.sum(~truth))
    print(f"{name} {classifier} seed {seed}: AUC {curve.auc:.4f}, improvement {value:.3f}; {taken:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--classifier", default="trees")
    options = parser.parse_args()
    for name in ("supervised", "idealised"):
        for seed in options.seeds:
            measure(options.folder, name, options.classifier, seed)


if __name__ == "__main__":
    main()
