"""The figures of an evaluation: ROC curves, significance improvement, score distributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hepad.bundles.systems import Training
from hepad.pipeline.evaluate.results import EvaluateReport, Row
from hepad.samples.scoring import ScoredSample
from hepad.stats.scores.working_points import improvement_band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hepad.output.figure_context import FigureContext
    from hepad.plot.roc import RocLine
    from hepad.plot.sic import SicLine

__all__ = ["evaluation_figures", "roc_of"]

Floats = npt.NDArray[np.float64]


def evaluation_figures(
    report: EvaluateReport,
    trainings: Sequence[Training],
    samples: Mapping[str, Mapping[str, ScoredSample]],
    *,
    context: FigureContext,
) -> Iterator[tuple[str, Figure]]:
    """Names without ending, and figures: `roc`, `sic` and `scores_NAME` for each system, of its first training.

    Curves are of the default scores. A system trained once has its bootstrap band, one trained often the geometric mean
    of its curves with the standard deviation of their logarithms.
    """
    from hepad.plot.sic import sic_figure

    groups = _groups(report)
    band = _band_name([len(rows) for rows in groups.values()])
    yield "roc", roc_of(report, context=context)
    floor = f"at least {report.min_background:g}\nbackground events"
    lines = [_sic(g, report.min_background) for g in groups.values()]
    yield "sic", sic_figure(lines, band=band, floor=floor, context=context)
    for system in dict.fromkeys(training.system for training in trainings):
        training = next(t for t in trainings if t.system == system)
        yield f"scores_{system}", _score_figure(training, samples[training.name], context=context)


def roc_of(report: EvaluateReport, *, context: FigureContext | None = None, ax: Axes | None = None) -> Figure:
    """The ROC curves of the default scores, a panel a signal; all in one on `ax`, if given."""
    from hepad.plot.roc import roc_figure

    groups = _groups(report)
    band = _band_name([len(rows) for rows in groups.values()])
    return roc_figure([_roc(g) for g in groups.values()], panels=True, band=band, context=context, ax=ax)


def _groups(report: EvaluateReport) -> dict[tuple[str, str], list[Row]]:
    """The rows of the default scores, which come first, by system and signal."""
    default: dict[str, str] = {}
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        if row.score == default.setdefault(row.model, row.score):
            groups.setdefault((row.system, row.signal), []).append(row)
    return groups


def _band_name(trainings: Sequence[int]) -> str:
    if max(trainings) == 1:
        return "68 % bootstrap"
    return "± 1 std, trainings" if min(trainings) > 1 else "68 % bootstrap, or\n± 1 std of trainings"


def _roc(rows: Sequence[Row]) -> RocLine:
    from hepad.plot.roc import RocLine

    band, system, signal = rows[0].metrics.band, rows[0].system, rows[0].signal
    if len(rows) == 1:
        return RocLine(system, signal, band.signal_efficiency, band.background_efficiency, band.low, band.high)
    mean, low, high = _spread_of_logs([row.metrics.band.background_efficiency for row in rows])
    return RocLine(system, signal, band.signal_efficiency, mean, low, high)


def _sic(rows: Sequence[Row], min_background: float) -> SicLine:
    from hepad.plot.sic import SicLine

    first = rows[0]
    s = first.metrics.band.signal_efficiency
    curves = [improvement_band(r.metrics.band, r.metrics.curve.efficiency_that_keeps(min_background)) for r in rows]
    if len(rows) == 1:
        best = first.points.improvement
        mark = (best.signal_efficiency, best.value.value) if best else None
        return SicLine(first.system, first.signal, s, *curves[0], best=mark)
    mean, low, high = _spread_of_logs([value for value, _, _ in curves])
    return SicLine(first.system, first.signal, s, mean, low, high)


def _spread_of_logs(curves: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    """Geometric mean of curves and its band of one standard deviation of their logarithms; 0 or NaN where one is.

    Trainings differ by factors: an arithmetic band would reach below zero, which is no efficiency.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.array(curves))
        mean, spread = logs.mean(axis=0), logs.std(axis=0, ddof=1)
        spread = np.where(np.isneginf(mean), 0.0, spread)
        return np.exp(mean), np.exp(mean - spread), np.exp(mean + spread)


def _score_figure(training: Training, samples: Mapping[str, ScoredSample], *, context: FigureContext) -> Figure:
    from hepad.plot.roc import score_figure

    card = training.bundle.card
    score = card.scores[0]
    signals = {key: sample for key, sample in samples.items() if key != "background"}
    return score_figure(
        samples["background"].scores[score],
        {key: sample.scores[score] for key, sample in signals.items()},
        background_weight=samples["background"].weights,
        signal_weights={key: sample.weights for key, sample in signals.items()},
        thresholds={region: spec.threshold for region, spec in card.regions.items() if spec.score == score},
        score=f"Anomaly score ({training.name}, {score})",
        context=context,
    )
