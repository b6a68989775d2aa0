"""Evaluate models: how well do their scores part signals from background, beside the published numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepad.cards.selection import load_selection
from hepad.errors import UsageError
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.pipeline.bundle import Bundle, load_bundle
from hepad.pipeline.figures import save_figure
from hepad.pipeline.scoring import ScoredSample, scored_sample
from hepad.provenance import command_line, provenance, sha256_file
from hepad.stats.roc import RocMetrics, roc_metrics

__all__ = [
    "EvaluateOptions",
    "EvaluateReport",
    "RegionRow",
    "Row",
    "evaluate",
    "formatted_metrics",
    "formatted_regions",
    "markdown",
]

_OURS = ("report.md", "report.json", "roc.*", "scores_*.png", "scores_*.pdf")


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `evaluate`; `rejection_at` is the signal efficiency at which 1/eps_b is quoted."""

    output: Path
    selection: str | None = None
    rejection_at: float = 0.3
    replicas: int = 200
    seed: int = 1
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_sample: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Row:
    """One score of one model against one signal; `published` maps a metric to (value, standard deviation)."""

    model: str
    score: str
    signal: str
    metrics: RocMetrics
    published: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class RegionRow:
    """A region of a model: the efficiency it was set at, and those measured here with their errors."""

    model: str
    region: str
    nominal: float | None
    background: tuple[float, float]
    signals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class EvaluateReport:
    """All rows; `warnings` say what makes a number less than it seems."""

    rows: tuple[Row, ...]
    regions: tuple[RegionRow, ...]
    events: dict[str, int]
    rejection_at: float
    warnings: tuple[str, ...]
    output: Path

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "events": self.events,
            "rows": [
                {
                    "model": r.model,
                    "score": r.score,
                    "signal": r.signal,
                    **r.metrics.to_json(),
                    "published": dict(r.published),
                }
                for r in self.rows
            ],
            "regions": [vars(region) for region in self.regions],
            "warnings": list(self.warnings),
            "output": str(self.output),
        }


def evaluate(
    background: Sequence[str],
    signals: Mapping[str, Sequence[str]],
    models: Sequence[str],
    *,
    options: EvaluateOptions,
) -> EvaluateReport:
    """Score background and signals with each model and write a report folder: report.md, report.json and figures.

    Errors are bootstrap errors over events of both samples. A background file that a model was trained on is
    warned of: its numbers would flatter the model.
    """
    check_folder(options.output, ours=_OURS)
    if not signals or not models:
        raise UsageError("give at least one --signal NAME=FILE and one --model")
    paths = {"background": expand_files(background), **{name: expand_files(files) for name, files in signals.items()}}
    bundles = {bundle.card.name if models.count(m) == 1 else m: bundle for m in models for bundle in [load_bundle(m)]}
    if len(bundles) != len(models):
        raise UsageError("two of the models have the same name; give each once")
    samples = {name: _samples(bundle, paths, options) for name, bundle in bundles.items()}
    rows = tuple(row for name, bundle in bundles.items() for row in _rows(name, bundle, samples[name], options))
    regions = tuple(row for name, bundle in bundles.items() for row in _region_rows(name, bundle, samples[name]))
    events = {name: sample.cutflow.selected.events for name, sample in next(iter(samples.values())).items()}
    report = EvaluateReport(rows, regions, events, options.rejection_at, _warnings(bundles, paths), options.output)
    everything = [path for files in paths.values() for path in files]
    record = provenance(
        command_line(
            "evaluate",
            model=tuple(bundles),
            selection=options.selection,
            rejection_at=options.rejection_at,
            bootstrap=options.replicas,
            max_events=options.max_events,
        ),
        inputs=everything,
        seed=options.seed,
        cards={f"bundle {name}": bundle.sha256 for name, bundle in bundles.items()},
    )
    _write(report, samples, bundles, options, record)
    return report


def _samples(bundle: Bundle, paths: Mapping[str, Sequence[Path]], options: EvaluateOptions) -> dict[str, ScoredSample]:
    selection = bundle.card.selection if options.selection is None else load_selection(options.selection)
    samples = {}
    for name, files in paths.items():
        if options.on_sample:
            options.on_sample(f"{bundle.card.name}: {name}")
        samples[name] = scored_sample(
            files, bundle, selection, step_size=options.step_size, max_events=options.max_events
        )
    return samples


def _rows(name: str, bundle: Bundle, samples: Mapping[str, ScoredSample], options: EvaluateOptions) -> list[Row]:
    background = samples["background"]
    rows = []
    for score in bundle.card.scores:
        for signal, sample in samples.items():
            if signal == "background":
                continue
            metrics = roc_metrics(
                sample.scores[score],
                background.scores[score],
                sample.weights,
                background.weights,
                # one generator a row, so that a row does not depend on which others there are
                rng=np.random.default_rng([options.seed, len(sample.weights), len(background.weights)]),
                rejection_at=options.rejection_at,
                background_efficiencies=(0.01, 0.001),
                replicas=options.replicas,
            )
            # Published numbers are those of the default score.
            published = bundle.card.published.get(signal, {}) if score == bundle.card.scores[0] else {}
            rows.append(Row(name, score, signal, metrics, published))
    return rows


def _region_rows(name: str, bundle: Bundle, samples: Mapping[str, ScoredSample]) -> list[RegionRow]:
    rows = []
    for region, card in bundle.card.regions.items():
        measured = {
            sample: _efficiency(scored.scores[card.score] >= np.float64(card.threshold), scored.weights)
            for sample, scored in samples.items()
        }
        background = measured.pop("background")
        rows.append(RegionRow(name, region, card.efficiency, background, measured))
    return rows


def _efficiency(passed: Any, weights: Any) -> tuple[float, float]:
    """Weighted fraction, and half the width of its 68 % Wilson interval for the effective number of events.

    Unlike the plain binomial error it is not 0 when no event passes.
    """
    value = float(weights[passed].sum() / weights.sum())
    n = float(weights.sum() ** 2 / np.square(weights).sum())
    return value, float(np.sqrt(value * (1 - value) / n + 1 / (4 * n**2)) / (1 + 1 / n))


def _warnings(bundles: Mapping[str, Bundle], paths: Mapping[str, Sequence[Path]]) -> tuple[str, ...]:
    hashes = {sha256_file(path): path for path in paths["background"]}
    found = []
    for name, bundle in bundles.items():
        trained_on = {record["sha256"] for record in bundle.card.provenance.get("inputs", [])}
        found += [
            f"{path.name} was used to train {name}: its numbers are too good"
            for h, path in hashes.items()
            if h in trained_on
        ]
    return tuple(found)


Table = tuple[list[str], list[list[str]]]


def formatted_metrics(report: EvaluateReport) -> Table:
    """Header and rows of the metrics, beside the published numbers."""
    at = f"{report.rejection_at:g}"
    rows = [
        [
            row.model,
            row.score,
            row.signal,
            _pm(row.metrics.auc),
            _published(row, "auc", 3),
            _pm(row.metrics.rejection, 1),
            _published(row, f"rejection_at_{at}", 1),
        ]
        for row in report.rows
    ]
    return ["model", "score", "signal", "AUC", "published", f"1/eps_b({at})", "published"], rows


def formatted_regions(report: EvaluateReport) -> Table:
    """Header and rows of the regions: where they were set, and the fraction of each sample in them."""
    signals = [name for name in report.events if name != "background"]
    rows = []
    for region in report.regions:
        nominal = "by hand" if region.nominal is None else f"{region.nominal:.3%}"
        measured = (region.background, *(region.signals[name] for name in signals))
        rows.append([region.model, region.region, nominal, *(f"{v:.2%} ± {e:.2%}" for v, e in measured)])
    return ["model", "region", "set at", "background", *signals], rows


def markdown(report: EvaluateReport) -> str:
    """The report as Markdown: the metrics beside the published numbers, then the regions."""
    counts = ", ".join(f"{name} {n}" for name, n in report.events.items())
    lines = [
        "# Evaluation",
        "",
        f"Selected events: {counts}. Errors are bootstrap standard deviations over events.",
        "Published numbers are means and standard deviations over trainings, on the data set of their reference.",
        f"1/eps_b({report.rejection_at:g}) is the background rejection at that signal efficiency.",
        "",
        *(f"**Warning:** {warning}\n" for warning in report.warnings),
        *_markdown_table(formatted_metrics(report)),
        "",
        "## Regions",
        "",
        "The fraction of each sample in the region; errors are half of the 68 % Wilson interval.",
        "",
        *_markdown_table(formatted_regions(report)),
    ]
    return "\n".join(lines) + "\n"


def _markdown_table(table: Table) -> list[str]:
    header, rows = table
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _pm(estimate: Any, digits: int = 3) -> str:
    sign = "> " if estimate.is_lower_limit else ""
    error = "" if estimate.std is None else f" ± {estimate.std:.{digits}f}"
    return f"{sign}{estimate.value:.{digits}f}{error}"


def _published(row: Row, key: str, digits: int) -> str:
    if key not in row.published:
        return ""
    value, error = row.published[key]
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _write(
    report: EvaluateReport,
    samples: Mapping[str, Mapping[str, ScoredSample]],
    bundles: Mapping[str, Bundle],
    options: EvaluateOptions,
    record: Mapping[str, Any],
) -> None:
    from hepad.plot.roc import RocLine, roc_figure, score_figure

    default = [row for row in report.rows if row.score == bundles[row.model].card.scores[0]]
    lines = [
        RocLine(r.model, r.signal, b.signal_efficiency, b.background_efficiency, b.low, b.high)
        for r in default
        for b in [r.metrics.band]
    ]
    with atomic_folder(options.output, ours=_OURS) as folder:
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
        content = {**report.to_json(), "provenance": record}
        (folder / "report.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        save_figure(roc_figure(lines, panels=True, simulation=options.simulation), folder / "roc")
        for name, bundle in bundles.items():
            save_figure(_score_figure(name, bundle, samples[name], options, score_figure), folder / f"scores_{name}")


def _score_figure(
    name: str, bundle: Bundle, samples: Mapping[str, ScoredSample], options: EvaluateOptions, draw: Callable[..., Any]
) -> Any:
    score = bundle.card.scores[0]
    signals = {key: sample for key, sample in samples.items() if key != "background"}
    return draw(
        samples["background"].scores[score],
        {key: sample.scores[score] for key, sample in signals.items()},
        background_weight=samples["background"].weights,
        signal_weights={key: sample.weights for key, sample in signals.items()},
        thresholds={region: card.threshold for region, card in bundle.card.regions.items() if card.score == score},
        score=f"Anomaly score ({name}, {score})",
        simulation=options.simulation,
    )
