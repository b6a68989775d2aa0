"""`score` and `evaluate` of events in files or in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.api.events import as_files
from hepad.api.models import Model, as_model
from hepad.api.record import Record, Row
from hepad.bundles.systems import Training
from hepad.errors import UsageError
from hepad.execution.run import Run
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.evaluate.results import EvaluateReport
from hepad.pipeline.evaluate.results import Row as EvaluateRow
from hepad.pipeline.evaluate.run import EvaluateOptions, evaluate_samples
from hepad.pipeline.evaluate.samples import Selections
from hepad.pipeline.score import RegionCount, Scored, ScoreOptions, score_in_memory
from hepad.provenance import file_record
from hepad.samples.fresh import fresh_samples
from hepad.samples.scoring import sample_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


__all__ = ["EvaluateRecord", "ScoreRecord", "columns_named", "evaluate", "score"]

Mask = npt.NDArray[np.bool_]


def columns_named(columns: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The columns of a score file that begin with a prefix, without it."""
    return {name.removeprefix(prefix): values for name, values in columns.items() if name.startswith(prefix)}


@dataclass(frozen=True, repr=False)
class ScoreRecord(Record):
    """The scores of all n events that were read, selected or not, and what the events say of the regions."""

    scored: Scored

    @property
    def scores(self) -> dict[str, npt.NDArray[np.float32]]:
        """Scores (n,) by name; NaN for an event that was not selected."""
        return columns_named(self.scored.columns, "score_")

    @property
    def selected(self) -> Mask:
        """Mask (n,) of the events that pass the selection."""
        return np.asarray(self.scored.columns["selected"])

    @property
    def weight(self) -> npt.NDArray[np.float64]:
        """Weights (n,)."""
        return np.asarray(self.scored.columns["weight"])

    @property
    def masks(self) -> dict[str, Mask]:
        """Mask (n,) of the events in each region."""
        return columns_named(self.scored.columns, "in_")

    @property
    def regions(self) -> dict[str, RegionCount]:
        """Events in each region, and their weighted `fraction` of those selected: the region's efficiency."""
        return self.scored.report.regions

    @property
    def cutflow(self) -> CutFlow:
        """The selection, step by step."""
        return self.scored.report.cutflow

    def to_json(self) -> dict[str, Any]:
        """As `hepad score --json`; `output` is null."""
        return self.scored.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return [skipped.reason for skipped in self.scored.report.skipped]

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        report = self.scored.report
        rows = [
            [name, r.score, f"{r.threshold:.5g}", f"{r.selected}", f"{r.fraction:.3%}"]
            for name, r in report.regions.items()
        ]
        selected, total = report.cutflow.selected.events, report.cutflow.total.events
        title = f"{report.model}: {selected} of {total} events selected by {report.selection}"
        return title, ["region", "score", "threshold", "events", "of selected"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.roc import score_figure

        report, selected = self.scored.report, self.selected
        name, values = next(iter(self.scores.items()))
        marks = {region: r.threshold for region, r in report.regions.items() if r.score == name}
        score_figure(
            values[selected],
            {},
            background_weight=self.weight[selected],
            thresholds=marks,
            score=f"Anomaly score ({report.model}, {name})",
            background_name="Selected events",
            ax=ax,
        )


def score(
    events: Any,
    model: str | Path | Model = "snn_ae",
    *,
    selection: str | None = None,
    regions: Mapping[str, str] | None = None,
    max_events: int | None = None,
    step_size: int = DEFAULT_STEP_SIZE,
    device: str = "cpu",
) -> ScoreRecord:
    """Score events: scores and regions of each, the cut flow, and the fraction of events in each region.

    `events` are files, which are read `step_size` events at a time, or arrays in memory, as in `hepad.load_events`.
    `model` is one of `hepad.load_model` or `hepad.train`, or its name. `selection` None is the model's own. `regions`
    are more of them, names to settings such as "efficiency:0.002" or "threshold:4.2", on the held-out background.
    `device` is "cpu", "cuda", "mps" or "auto", for models that torch evaluates; the processor alone is reproducible.

    `InputDataError` if a file cannot be read, the events lack something, or none passes the selection.

    >>> import hepad
    >>> found = hepad.score("examples/data/background.h5", "snn_ae", regions={"mine": "efficiency:0.05"})
    >>> list(found.scores), found.scores["mse"].shape == found.selected.shape == found.masks["mine"].shape
    (['mse'], True)
    >>> 0.03 < found.regions["mine"].fraction < 0.07
    True
    """
    from hepad.cards.bundle import parse_region

    specs = dict(parse_region(f"{name}={text}") for name, text in (regions or {}).items())
    options = ScoreOptions(
        selection=selection, regions=specs, step_size=step_size, max_events=max_events, device=device
    )
    return ScoreRecord(score_in_memory(as_files(events), as_model(model).bundle, options=options))


@dataclass(frozen=True, repr=False)
class EvaluateRecord(Record):
    """How well models part signals from background: `rows` for each model, score and signal, `regions`, `systems`."""

    report: EvaluateReport

    @property
    def rows(self) -> tuple[EvaluateRow, ...]:
        """`row.metrics.auc.value`, `row.metrics.rejection`, `row.points`, ... with bootstrap errors."""
        return self.report.rows

    def auc(self, signal: str, *, model: str | None = None, score: str | None = None) -> tuple[float, float]:
        """The AUC and its bootstrap error; of the first model and its default score, unless they are named.

        `UsageError` for what was not evaluated.
        """
        for row in self.report.rows:
            if row.signal == signal and model in (None, row.model) and score in (None, row.score):
                return row.metrics.auc.value, row.metrics.auc.std or 0.0
        known = ", ".join(dict.fromkeys(f"{row.model} {row.score} {row.signal}" for row in self.report.rows))
        raise UsageError(f"no signal {signal!r} of that model and score; there are {known}")

    def to_json(self) -> dict[str, Any]:
        """As `hepad evaluate --json`; `output` is null."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.evaluate.report import formatted_metrics

        header, rows = formatted_metrics(self.report)
        return "Evaluation", header, rows

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.evaluate.figures import roc_of

        roc_of(self.report, ax=ax)


def evaluate(
    background: Any,
    signals: Mapping[str, Any],
    model: str | Path | Model | Mapping[str, str | Path | Model] = "snn_ae",
    *,
    selection: str | None = None,
    selections: Mapping[str, str] | None = None,
    rejection_at: float | Sequence[float] = 0.3,
    fpr: float | Sequence[float] = 1e-5,
    min_background: float = 10,
    bootstrap: int = 200,
    aso_subsets: int = 1000,
    aso_events: int = 2000,
    seed: int = 1,
    max_events: int | None = None,
) -> EvaluateRecord:
    """Measure how well models part signals from background: AUC, 1/eps_b, TPR at small FPR, differences of models.

    `background` and each of the `signals`, by name, are files or arrays in memory as in `hepad.load_events`; events of
    files that one of the models was trained on are left out, if it has seen them. `model` is one model, or a mapping of
    names to several that are compared. `rejection_at` are signal efficiencies, `fpr` background efficiencies,
    `bootstrap` the number of replicas behind the errors, `aso_subsets` 0 leaves out the test of the stochastic order.
    `selection` is in place of the models'; `selections`, by the names of samples, `background` among them, say which of
    their events are theirs. As `hepad evaluate` otherwise.

    `InputDataError` for events that cannot be used, or a sample of which none is selected.

    >>> import hepad
    >>> found = hepad.evaluate("examples/data/background.h5", {"h0": "examples/data/h0.h5"}, "dnn_ae", bootstrap=20)
    >>> value, error = found.auc("h0")
    >>> 0.5 < value < 1 and error < 0.05
    True
    """
    if not signals or "background" in signals:
        raise UsageError("give signals by name, {'h0': ...}; none is called background")
    named = model if isinstance(model, Mapping) else {as_model(model).name: model}
    rejections, rates = _several(rejection_at), _several(fpr)
    options = EvaluateOptions(
        selection=selection,
        selections=selections or {},
        rejection_at=rejections[0],
        more_rejections_at=rejections[1:],
        fpr=rates,
        min_background=min_background,
        aso_subsets=aso_subsets,
        aso_events=aso_events,
        replicas=bootstrap,
        seed=seed,
    )
    trainings = [Training(name, name, as_model(one).bundle) for name, one in named.items()]
    files = {name: expand_files(as_files(given)) for name, given in {"background": background, **signals}.items()}
    cards = Selections.of(options, files)
    samples = {
        training.name: {
            name: sample_of(Run(cards.job(training.bundle, name), paths, DEFAULT_STEP_SIZE, max_events))
            for name, paths in files.items()
        }
        for training in trainings
    }
    records = {name: [file_record(path) for path in paths] for name, paths in files.items()}
    fresh, said = fresh_samples(trainings, samples, records)
    report = evaluate_samples(trainings, fresh, options)
    return EvaluateRecord(replace(report, warnings=(*said, *report.warnings)))


def _several(given: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(given) if isinstance(given, Sequence) else (float(given),)
