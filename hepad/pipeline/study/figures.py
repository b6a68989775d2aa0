"""The figures of a study, each a pure function of its results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.cards.study import ScanName, StudyCard
from hepad.inputs.batch import Batch
from hepad.objects.naming import singular
from hepad.output.figure_context import FigureContext, simulated
from hepad.output.figures import save_figures
from hepad.pipeline.study.data import BACKGROUND
from hepad.pipeline.study.images import Pictures
from hepad.pipeline.study.names import drawn
from hepad.pipeline.study.plan import updates_per_epoch
from hepad.pipeline.study.results import GRID, Measured, Results, Spread, roc_bands
from hepad.plot.images import ShownImage, gallery_figure, plane_figure
from hepad.plot.latent import latent_figure
from hepad.plot.loss import LossCurves, loss_figure
from hepad.plot.multiplicity import ObjectSample, object_figure
from hepad.plot.roc import RocLine, roc_figure
from hepad.plot.scan import ScanLine, scan_figure
from hepad.plot.seeds import SeedPoints, seeds_figure

__all__ = ["CAPTIONS", "counts", "draw_figures", "roc_of", "signal_points"]

CAPTIONS = {
    "roc": "ROC curves: mean over seeds of the background efficiency, and its standard deviation as a band.",
    "seeds": "AUC of each training, beside it mean and standard deviation over seeds; grey is what was published.",
    "loss": "Loss against updates: mean over seeds, the band covers the training losses of all seeds.",
    "objects": "Numbers of objects and missing transverse momentum of all samples, each of unit area; the last "
    "bin of the missing momentum holds all events beyond it.",
    "objects_": "Numbers of objects and missing transverse momentum: {} and background.",
    "latent_": "Fraction of events in which each latent neuron of {} spikes at each step, first seed.",
    "images_": "Images of {}: what it sees, its reconstruction, and their difference, the first event of each sample.",
    "plane_": "The latent numbers of {}, signed so that they grow with the number of lit pixels of background.",
    "scan_": "{}: loss and AUC, mean and standard deviation over seeds.",
}

_CONTEXT = simulated(True)

_XLABELS = {
    "steps": "Steps $T$",
    "latent": "Latent dimension $D_z$",
    "training_fraction": "Training events",
}


def draw_figures(card: StudyCard, results: Results, folder: Path) -> list[str]:
    """Draw everything into `folder`: the names of the figures, in order."""
    return save_figures(_figures(card, results), folder)


def counts(batch: Batch) -> dict[str, npt.NDArray[np.float64]]:
    """Numbers of `jets`, `electrons` and `muons` and `met` in GeV, of shape (n,), from an unscaled L1 vector."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    momenta = [(i, slot.object) for i, slot in enumerate(batch.layout.slots) if slot.feature == "pt"]
    for key in ("jets", "electrons", "muons"):
        places = [i for i, name in momenta if name == singular(key)]
        if places:
            found[key] = batch.there[:, places].sum(axis=1).astype(np.float64)
    for place in (i for i, name in momenta if name == "met"):
        found["met"] = batch.x[:, place].astype(np.float64)
    return found


def _figures(card: StudyCard, results: Results) -> Iterator[tuple[str, Figure]]:
    yield "roc", roc_of(card, results, context=_CONTEXT)
    if len(card.seeds) > 1:
        yield "seeds", seeds_figure(list(_seed_points(card, results)), context=_CONTEXT)
    if curves := _loss_curves(card, results):
        yield "loss", loss_figure(curves, context=_CONTEXT)
    yield from _objects(card, results)
    for analysis, names in results.plan.table.items():
        latent = results.trainings[names[0]].latent
        if latent:
            spikes = {drawn(card, sample): fractions for sample, fractions in latent.items()}
            yield f"latent_{analysis}", latent_figure(spikes, context=_CONTEXT)
        pictures = results.trainings[names[0]].pictures
        if pictures is not None:
            yield from _pictures(card, analysis, pictures)
    for scan in card.scans:
        yield f"scan_{scan}", _scan(card, results, scan)


def roc_of(
    card: StudyCard, results: Results, *, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """The ROC curves of the models, a panel a signal, with bands over seeds; all in one on `ax`, if given."""
    lines = [
        RocLine(drawn(card, b.analysis), drawn(card, b.signal), GRID, b.mean, *((b.low, b.high) if b.seeds > 1 else ()))
        for b in roc_bands(results)
    ]
    return roc_figure(lines, panels=True, context=context, band="± 1 std. dev. (seeds)", ax=ax)


def _seed_points(card: StudyCard, results: Results) -> Iterator[SeedPoints]:
    for analysis, names in results.plan.table.items():
        trainings = results.group(names)
        for signal in results.signals:
            auc = np.array([training.auc[signal] for training in trainings])
            yield SeedPoints(
                drawn(card, analysis), drawn(card, signal), auc, _published_auc(card, trainings[0], signal)
            )


def _published_auc(card: StudyCard, training: Measured, signal: str) -> tuple[float, float] | None:
    """Of the first score: what the study compares with, in percent, else what the card of the analysis holds."""
    compared = card.compare.published.get(training.planned.analysis, {}) if card.compare else {}
    number = compared.get(next(iter(training.scores), ""), {}).get("auc", {}).get(signal)
    if number is None:
        return training.planned.recipe.published.get(signal, {}).get("auc")
    value, error = number if isinstance(number, tuple) else (number, 0.0)
    return value / 100, error / 100


def _loss_curves(card: StudyCard, results: Results) -> list[LossCurves]:
    """Losses of models with the same input that the reference compares share a panel; what learns nothing has none."""
    groups: dict[str, list[str]] = {}
    for analysis, names in results.plan.table.items():
        if not any(training.learns for training in results.group(names)):
            continue
        recipe = results.trainings[names[0]].planned.recipe
        key = recipe.input.model_dump_json() if analysis in card.published_loss else analysis
        groups.setdefault(key, []).append(analysis)
    curves = []
    for analyses in groups.values():
        panel = ", ".join(drawn(card, analysis) for analysis in analyses)
        for analysis in analyses:
            trainings = results.group(results.plan.table[analysis])
            length = max(len(t.train_loss) for t in trainings)
            planned = trainings[0].planned
            updates = updates_per_epoch(planned.events, planned.train.batch_size) * np.arange(1, length + 1)
            losses = ([t.train_loss for t in trainings], [t.validation_loss for t in trainings])
            curves.append(LossCurves(drawn(card, analysis), panel, updates, *(_padded(x, length) for x in losses)))
    return curves


def _padded(losses: list[tuple[float, ...]], length: int) -> npt.NDArray[np.float64]:
    return np.array([[*loss, *[np.nan] * (length - len(loss))] for loss in losses], dtype=np.float64)


def _objects(card: StudyCard, results: Results) -> Iterator[tuple[str, Figure]]:
    """All samples in one figure, then each signal alone with the background."""
    batches = next(iter(results.samples.values()))
    samples = {
        name: ObjectSample(drawn(card, name), counts(batch), batch.weight, style)
        for style, (name, batch) in enumerate(batches.items(), start=-1)  # background comes first and has no style
    }
    background = samples.pop(BACKGROUND)
    if not background.values:
        return
    yield "objects", object_figure(background, list(samples.values()), context=_CONTEXT)
    for name, sample in samples.items():
        yield f"objects_{name}", object_figure(background, [sample], context=_CONTEXT)


def _pictures(card: StudyCard, analysis: str, pictures: Pictures) -> Iterator[tuple[str, Figure]]:
    """The images of background and of the first signal of each group, and the latent plane."""
    groups = card.compare.groups if card.compare else {}
    firsts = [[name for name in names if name in pictures.shown][:1] for names in groups.values()]
    wanted = [BACKGROUND, *(name for first in firsts for name in first)] if groups else list(pictures.shown)
    shown = [ShownImage(drawn(card, name), *pictures.shown[name]) for name in wanted]
    yield f"images_{analysis}", gallery_figure(shown, title=drawn(card, analysis), context=_CONTEXT)
    if pictures.plane:
        points = signal_points(card, pictures)
        yield (
            f"plane_{analysis}",
            plane_figure(
                pictures.plane[BACKGROUND],
                points,
                axes_titles=("Latent number $z_1$", "Latent number $z_2$"),
                title=drawn(card, analysis),
                context=_CONTEXT,
            ),
        )


def signal_points(card: StudyCard, pictures: Pictures) -> dict[str, npt.NDArray[np.float32]]:
    """The points of signals in the latent plane, those of a group together."""
    groups = card.compare.groups if card.compare else {}
    group_of = {name: group for group, names in groups.items() for name in names}
    found: dict[str, list[npt.NDArray[np.float32]]] = {}
    for name, values in pictures.plane.items():
        if name != BACKGROUND:
            found.setdefault(group_of.get(name, drawn(card, name)), []).append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _scan(card: StudyCard, results: Results, scan: ScanName) -> Figure:
    lines = []
    for analysis in card.scans[scan].analyses:
        points = results.scan(scan, analysis)
        events = [_first(results, point.trainings).planned.events for point in points]
        x = np.array(events if scan == "training_fraction" else [point.value for point in points], dtype=np.float64)
        name = drawn(card, analysis)
        lines.append(_line(name, None, x, [results.loss(point.trainings) for point in points]))
        for signal in results.signals:
            values = [results.auc(point.trainings, signal) for point in points]
            lines.append(_line(name, drawn(card, signal), x, values))
    return scan_figure(lines, xlabel=_XLABELS[scan], log_x=scan == "training_fraction", context=_CONTEXT)


def _first(results: Results, names: tuple[str, ...]) -> Measured:
    return results.trainings[names[0]]


def _line(model: str, signal: str | None, x: npt.NDArray[np.float64], values: list[Spread]) -> ScanLine:
    mean = np.array([value.mean for value in values])
    std = np.array([value.std or 0.0 for value in values])
    return ScanLine(model, signal, x, mean, std)
