"""The line from a Delphes file to a limit through the Python API: what the commands do, in a script or notebook.

Run it in the folder that holds `examples`: python examples/python_api.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import uproot

from hepad.bundles.bundle import load_bundle
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.pipeline.bumphunt.run import bumphunt
from hepad.pipeline.hist.run import HistOptions, fill_histograms
from hepad.pipeline.limit.run import LimitOptions, limit
from hepad.pipeline.score import ScoreOptions, score
from hepad.samples.scoring import scored_sample
from hepad.stats.scores.roc import roc_metrics

DATA = Path("examples/data")


def main() -> None:
    """Score, evaluate, fill, hunt and limit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)

        report = score([str(DATA / "w_lnu.root")], "snn_ae", options=ScoreOptions(output=out / "scores.root"))
        print(f"{report.cutflow.selected.events} of {report.cutflow.total.events} events selected")
        for name, region in report.regions.items():
            print(f"region {name}: score >= {region.threshold:.4g}, {region.selected} events")
        rows = uproot.open(report.output)["Scores"].arrays(["entry", "score"], "selected", library="np")
        print(f"the most anomalous event is entry {rows['entry'][np.argmax(rows['score'])]}")

        bundle = load_bundle("snn_ae")
        signal, background = (
            scored_sample([DATA / name], bundle, bundle.card.selection) for name in ("a4l.h5", "background.h5")
        )
        metrics = roc_metrics(signal.scores["mse"], background.scores["mse"], rng=np.random.default_rng(1))
        print(f"A -> 4l: AUC {metrics.auc.value:.3f} ± {metrics.auc.std:.3f}")

        spectra = fill_histograms(
            [str(DATA / "w_lnu.root")],
            options=HistOptions(
                output=out / "spectra.root",
                masses=("jet1+jet2",),
                edges=tuple(np.linspace(0, 500, 26)),
                scores=report.output,
            ),
        )
        print(f"{spectra.histograms['m_jet1_jet2'].sum().value:.0f} events have two jets")

        hunt = bumphunt(
            str(DATA / "cms_dijet_137fb.csv"), options=BumpHuntOptions(function="dijet4", toys=1000)
        ).to_json()
        low, high = hunt["window"]
        print(
            f"CMS dijets: {low:.0f} to {high:.0f} GeV, global p = {hunt['global_p']:.3f} ± {hunt['global_p_error']:.3f}"
        )

        upper = limit(9, 50, 55, options=LimitOptions(background_error=0.1)).to_json()
        print(f"limit on the signal strength: {upper['observed']:.2f} observed, {upper['expected'][2]:.2f} expected")


if __name__ == "__main__":
    main()
