"""What do cathode and lacathode find beside cwola, and what do they make up? Dijets with a signal and without.

    python benchmarks/bench_cathode.py FOLDER [--signal lhco_xy_3p5tev] [--fractions 0 0.006] [--window 3300:3700]
        [--sidebands 2800:4200] [--seed 1] [--features lhco] [--method cwola cathode lacathode]

FOLDER has `qcd_pthat1150_*.parquet`, independent unweighted background, and signals: two jets a row with `j1_msd`,
`j1_tau1` and so on, `mjj`. The first events of the signal, so many for one of background, are mixed in. `lhco`
features are those of the LHC Olympics (the lighter mass, the difference of the masses, tau21 of both jets),
`substructure` those of the cards. Cards, folds and function are as they are: nothing is fitted to the signal.

For each method: AUC and the largest significance improvement in the window, of the thresholds that keep 20 events of
background at least; then, uncut and for the regions of 10 and of 1 % of the sidebands, how many events are in the
window beside what the sidebands let expect, and the p-value of those above `dijet3` fitted to the bins of 100 GeV
around.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from hepad.cards.fit import load_fit
from hepad.cards.method import MethodKeys
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.scale import Scale
from hepad.methods.base import MASS, How, Problem, Sample, Window, make_method, train_all
from hepad.stats.bumphunt.window_count import WindowCount, count_in_window, window_edges
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.scores.roc import roc_curve
from hepad.stats.scores.working_points import best_improvement

FOLDS, BIN, LEAST = 5, 100, 20


def table(paths: list[Path], first: int | None = None) -> dict[str, np.ndarray]:
    """The columns of all files."""
    tables = [pq.read_table(path) for path in paths]
    return {name: np.concatenate([t[name].to_numpy() for t in tables])[:first] for name in tables[0].column_names}


def features(rows: dict[str, np.ndarray], which: str) -> dict[str, np.ndarray]:
    """The numbers by name."""
    ratios = {
        f"j{j}_tau{a}{b}": rows[f"j{j}_tau{a}"] / np.maximum(rows[f"j{j}_tau{b}"], 1e-9)
        for j in (1, 2)
        for a, b in ((2, 1), (3, 2), (4, 3))
    }
    one, two = rows["j1_msd"], rows["j2_msd"]
    if which == "substructure":
        return {"j1_msd": one, "j2_msd": two, **ratios}
    masses = {"lighter": np.minimum(one, two), "difference": np.abs(one - two)}
    return {**masses, "j1_tau21": ratios["j1_tau21"], "j2_tau21": ratios["j2_tau21"]}


def counted(mass: np.ndarray, window: Window) -> WindowCount:
    """The events in the window above the function fitted outside of it."""
    below, above = window.sidebands
    edges = window_edges(np.append(np.arange(below, above, BIN), above), window.low, window.high)
    function = BackgroundFunction.from_card(load_fit("dijet3"))
    return count_in_window(edges, np.histogram(mass, edges)[0], window.low, [function])


def report(method: str, problem: Problem, truth: np.ndarray, scores: dict[str, np.ndarray], taken: float) -> None:
    """What a method found."""
    window, sidebands, mass = problem.parts["window"], problem.sidebands, problem.data.mass
    line = f"{method}: {taken:.0f} s"
    if truth.any():
        odds = scores["log_odds"]
        curve = roc_curve(odds[window & truth], odds[window & ~truth])
        value, _ = best_improvement(curve, LEAST / np.sum(window & ~truth))
        line += f"; AUC {curve.auc:.3f}, improvement {value:.2f}"
    print(line)
    for name, least in (("uncut", -1.0), ("10 %", 1.0), ("1 %", 2.0)):
        kept = scores["rank"] >= least
        count = counted(mass[kept], problem.window)
        by_sidebands = kept[sidebands].mean() * window.sum()
        found = f"{np.sum(kept & window & truth)} + {np.sum(kept & window & ~truth)} in the window"
        p = f"p {np.exp(count.log_p):.2g} ({count.z:.1f} sigma)"
        print(f"  {name:5} {found}, {by_sidebands:.0f} by the sidebands; {p}", flush=True)


def hunt(fraction: float, options: argparse.Namespace) -> None:
    background = table(sorted(options.folder.glob("qcd_pthat1150_*.parquet")))
    signal = table([options.folder / f"{options.signal}.parquet"], round(fraction * len(background["mjj"])))
    parts = [features(rows, options.features) for rows in (background, signal)]
    x = np.concatenate([np.stack(list(part.values()), axis=1) for part in parts]).astype(np.float32)
    mass = np.concatenate([background["mjj"], signal["mjj"]]).astype(np.float64)
    truth = np.arange(len(mass)) >= len(background["mjj"])
    low, high, below, above = (float(edge) for text in (options.window, options.sidebands) for edge in text.split(":"))
    around = (mass >= below) & (mass < above)
    layout = Layout.vector(list(parts[0]))
    batch = Batch("table", layout, x[around], None, np.ones(around.sum()), {MASS: mass[around]})
    folds = np.random.default_rng([options.seed, 1]).integers(0, FOLDS, len(batch))
    problem = Problem(Sample(Scale.standard(batch).of(batch), folds), Window(low, high, (below, above)))
    inside, outside = (np.sum(truth[around] & rows) for rows in (problem.parts["window"], problem.sidebands))
    print(f"{len(signal['mjj'])} events of signal: {inside} in the window {options.window}, {outside} in its sidebands")
    flows: dict = {}
    for name in options.method:
        method = make_method(MethodKeys(name=name, classifier={"kind": "trees"}, rotations=4), layout)
        how, begin = How(TrainCard(), options.seed), time.process_time()
        method.check(problem)
        for training in method.trainings(FOLDS):  # the same flows for both methods that have some
            if training.name.startswith("flow.") and training.name not in flows:
                flows[training.name] = method.train(training, problem, {}, how)
        fitted = train_all(method, problem, how, flows if name.endswith("cathode") else None)
        scores = fitted.scores(problem.data.events, folds)
        report(name, problem, truth[around], scores, time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--signal", default="lhco_xy_3p5tev")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.0, 0.006])
    parser.add_argument("--window", default="3300:3700")
    parser.add_argument("--sidebands", default="2800:4200")
    parser.add_argument("--features", choices=["lhco", "substructure"], default="lhco")
    parser.add_argument("--method", nargs="+", default=["cwola", "cathode", "lacathode"])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for fraction in options.fractions:
        hunt(fraction, options)


if __name__ == "__main__":
    main()
