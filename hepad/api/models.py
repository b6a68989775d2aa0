"""Trained models: scores and regions of events in memory; `load_model` and `train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.api.events import as_files, load_events
from hepad.api.record import Record, Row
from hepad.bundles.bundle import Bundle
from hepad.cards.bundle import RegionCard
from hepad.errors import InputDataError, UsageError
from hepad.stats.scores.regions import region_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import awkward as ak
    from matplotlib.axes import Axes

    from hepad.cards.analysis import AnalysisCard
    from hepad.nn.scorer import EpochEnd
    from hepad.pipeline.train.run import Trained, TrainReport

__all__ = ["Model", "Region", "TrainedModel", "load_model", "train"]

Scores = dict[str, npt.NDArray[np.float32]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """Events whose scores pass the cuts of a region."""

    name: str
    card: RegionCard

    @property
    def score(self) -> str:
        """The score that its threshold is on."""
        return self.card.score

    @property
    def threshold(self) -> float:
        """Events with the score at or above it are in the region, if they pass what else it asks for."""
        return self.card.threshold

    @property
    def efficiency(self) -> float | None:
        """The fraction of the held-out background above the threshold; None for a threshold that was given by hand."""
        return self.card.efficiency

    @property
    def efficiency_error(self) -> float | None:
        """Its statistical error."""
        return self.card.efficiency_error

    def inside(self, scores: Mapping[str, npt.ArrayLike] | npt.ArrayLike) -> Mask:
        """Mask (n,) of the events in the region, of scores (n,) by name; or of its score alone, if it cuts on one.

        An event with a score of NaN, as one that was not selected has, is in no region. `InputDataError` without a
        score that the region cuts on.
        """
        cut = region_of(self.card)
        named = scores if isinstance(scores, Mapping) else {self.score: scores}
        missing = [name for name in cut.scores if name not in named]
        if missing:
            raise InputDataError(f"region {self.name!r} cuts on score {missing[0]!r}, found {', '.join(named)}")
        return cut.inside({name: np.asarray(named[name]) for name in cut.scores})


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model with its selection, its input and its regions; `bundle` has all of it."""

    bundle: Bundle

    @property
    def name(self) -> str:
        """The name on its card."""
        return self.bundle.card.name

    @property
    def score_names(self) -> tuple[str, ...]:
        """Its scores; higher is more anomalous, the first is the default."""
        return self.bundle.card.scores

    def region(self, name: str) -> Region:
        """A region by name, or a new one on the held-out background: `"mine=efficiency:0.002"` as on the command line.

        `UsageError` for a region that the model does not have, or cannot set.
        """
        if "=" in name:
            from hepad.cards.bundle import parse_region

            name, spec = parse_region(name)
            return Region(name, self.bundle.regions({name: spec})[name])
        if name not in self.bundle.card.regions:
            known = ", ".join(self.bundle.card.regions) or "none"
            raise UsageError(
                f"model {self.name} has no region {name!r}; it has {known}, NAME=efficiency:X sets a new one"
            )
        return Region(name, self.bundle.card.regions[name])

    def scores(self, events: Any, *, selection: str | bool | None = None) -> Scores:
        """The scores (n,) of events by name, single precision: value for value what `hepad score` writes.

        `events` are what `hepad.load_events` takes, or makes. `selection` None (or True) is the model's own, a name or
        path another. An event that does not pass it has scores of NaN: a model says nothing of events that it was not
        made for. With False no selection is made, nothing is cut, sorted or truncated: every event has scores, and it
        is for the caller to have selected them.

        `InputDataError` names what the events lack.

        >>> import hepad
        >>> model = hepad.load_model("snn_ae")
        >>> jets = {"jets.pt": [[250.0, 90.0], [40.0]], "jets.eta": [[0.1, 2], [1]], "jets.phi": [[0, 3], [1]]}
        >>> muons = {"muons.pt": [[60.0], []], "muons.eta": [[0.5], []], "muons.phi": [[1.0], []]}
        >>> none = {f"electrons.{name}": [[], []] for name in ("pt", "eta", "phi")}
        >>> met = {"met.pt": [30.0, 10.0], "met.phi": [0.2, 0.1]}
        >>> scores = model.scores({**jets, **muons, **none, **met})
        >>> list(scores), scores["mse"].shape, [bool(x) for x in scores["mse"] > 0]  # the second has no lepton
        (['mse'], (2,), [True, False])
        >>> model.region("loose").inside(scores).tolist()
        [True, False]
        """
        from hepad.cards.selection import load_selection
        from hepad.samples.scoring import score_events

        if selection is False:
            return score_events(self.bundle, self._events(events, self.bundle.input.fields()))
        from hepad.objects.selection import apply_selection
        from hepad.samples.scoring import spread

        card = load_selection(selection) if isinstance(selection, str) else self.bundle.card.selection
        selected, keep, _ = apply_selection(self._events(events, self.bundle.fields(card)), card)
        return {name: spread(values, keep) for name, values in score_events(self.bundle, selected).items()}

    def regions(self, scores: Mapping[str, npt.ArrayLike]) -> dict[str, Mask]:
        """The mask (n,) of each region of the model, of scores (n,) by name."""
        return {name: self.region(name).inside(scores) for name in self.bundle.card.regions}

    def _events(self, given: Any, fields: Mapping[str, Any]) -> ak.Array:
        """Only what is needed is made of them."""
        return load_events(given, fields=fields)

    def _repr_html_(self) -> str:
        from hepad.output.document import Heading, Table, Text
        from hepad.output.page import to_html_part

        card = self.bundle.card
        rows = [
            [name, r.score, f"{r.threshold:.5g}", "" if r.efficiency is None else f"{r.efficiency:.3%}"]
            for name, r in card.regions.items()
        ]
        about = f"{card.title}. Scores {', '.join(card.scores)}; selection {card.selection.name}."
        table = Table(["region", "score", "threshold", "background"], rows, 2)
        return to_html_part([Heading(f"Model {card.name}", 4), Text(about), table])

    def __repr__(self) -> str:
        card = self.bundle.card
        return f"<Model {card.name}: scores {', '.join(card.scores)}; regions {', '.join(card.regions) or 'none'}>"


def load_model(name: str | Path | Bundle) -> Model:
    """The model of a bundled name (`hepad list models`) or a bundle's folder.

    `CardError` if there is none, or it is damaged or does not fit together. Loading runs no code from a bundle.

    >>> import hepad
    >>> model = hepad.load_model("snn_ae")
    >>> model
    <Model snn_ae: scores mse; regions loose, tight>
    >>> region = model.region("tight")
    >>> region.score, region.inside({"mse": [0.0, 1e9]}).tolist()
    ('mse', [False, True])
    """
    from hepad.bundles.bundle import load_bundle

    return Model(load_bundle(str(name) if isinstance(name, Path) else name))


def as_model(given: str | Path | Model) -> Model:
    """A model as it is, or the one of that name."""
    return given if isinstance(given, Model) else load_model(given)


@dataclass(frozen=True, repr=False)
class TrainedModel(Model, Record):
    """A model that was trained here; `report` says how: cut flow, losses by epoch, parts of the background."""

    trained: Trained

    @property
    def report(self) -> TrainReport:
        """What the training did."""
        return self.trained.report

    def save(self, folder: str | Path) -> Path:
        """Write the bundle, as `hepad train -o FOLDER` does; the folder that is there must be a bundle or not exist.

        `OutputError` if it cannot be written.
        """
        from hepad.output.atomic import atomic_folder, check_folder
        from hepad.pipeline.train.run import write_trained

        check_folder(Path(folder), verb="train")
        with atomic_folder(Path(folder), verb="train") as scratch:
            write_trained(self.trained, scratch)
        return Path(folder)

    def to_json(self) -> dict[str, Any]:
        """As `hepad train --json`."""
        return self.report.to_json()

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        report, fit = self.report, self.report.fit
        rows = [
            ["events", f"{report.cutflow.selected.events} of {report.cutflow.total.events} selected"],
            ["parts", ", ".join(f"{n} {name}" for name, n in report.split.items())],
            ["epochs", f"{fit.epochs}, kept {fit.best_epoch}"],
            ["loss", f"{fit.train_loss[-1]:.5g} training, {fit.validation_loss[-1]:.5g} validation"],
        ]
        return f"Training of {report.model}", ["quantity", "value"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.loss import plot_loss

        fit = self.report.fit
        plot_loss(fit.train_loss, fit.validation_loss, best_epoch=fit.best_epoch, ax=ax)

    def _repr_html_(self) -> str:
        return f"{Model._repr_html_(self)}\n{Record._repr_html_(self)}"

    __repr__ = Model.__repr__


def train(
    events: Any,
    model: str | Path | AnalysisCard = "snn_ae",
    *,
    epochs: int | None = None,
    seed: int = 1,
    selection: str | None = None,
    regions: Mapping[str, str] | None = None,
    max_events: int | None = None,
    against: Any = None,
    device: str = "cpu",
    on_epoch: Callable[[EpochEnd], None] | None = None,
    **settings: Any,
) -> TrainedModel:
    """Train a model on background events, and set its regions on the part that the training has not seen.

    `events` are what `hepad.load_events` takes: files, or arrays in memory. `model` is an analysis card, its bundled
    name or path. `epochs` and the other `settings` (`batch_size`, `learning_rate`, `patience`, ...: the keys of `train`
    in the card) replace the card's. `regions` replaces its regions: names to settings such as "efficiency:0.01".
    `against` are events of a signal, for a model that learns to tell it from background.
    `device` is "cpu", "cuda", "mps" or "auto"; `on_epoch` is told of each epoch. On the processor the same events, card
    and seed give the same weights on one kind of machine, and those of `hepad train` for files. Arrays in memory are
    not the file that they were read from: other events of them are held out, the same ones for the same arrays.

    The result scores (`scores`, `regions`), shows its losses (`plot()`) and writes its bundle (`save(folder)`).

    `InputDataError` for events that cannot be used or are too few, `UsageError` for a region that needs more of them,
    `CardError` for a wrong card or setting, `FitFailedError` for a training that diverges.

    >>> import hepad, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> two = {f"{name}.{f}": rng.uniform(25, 90, (300, 2)) if f == "pt" else rng.uniform(-2, 2, (300, 2))
    ...        for name in ("jets", "muons", "electrons") for f in ("pt", "eta", "phi")}
    >>> events = {**two, "met.pt": rng.uniform(0, 90, 300), "met.phi": rng.uniform(-3, 3, 300)}
    >>> model = hepad.train(events, "dnn_ae", epochs=2, regions={"loose": "efficiency:0.1"})
    >>> len(model.report.fit.train_loss), model.scores(events)["mse"].shape
    (2, (300,))
    """
    from hepad.bundles.bundle import bundle_in_memory
    from hepad.cards.analysis import AnalysisCard, TrainCard, load_analysis
    from hepad.cards.base import parse_card
    from hepad.cards.bundle import parse_region
    from hepad.pipeline.train.plan import TrainOptions
    from hepad.pipeline.train.run import train_in_memory

    card = model if isinstance(model, AnalysisCard) else load_analysis(str(model))
    given = {**settings, **({} if epochs is None else {"epochs": epochs})}
    specs = None if regions is None else dict(parse_region(f"{name}={text}") for name, text in regions.items())
    options = TrainOptions(
        selection=selection,
        seed=seed,
        train=parse_card(TrainCard, {**card.train.model_dump(), **given}, "training settings") if given else None,
        regions=specs,
        max_events=max_events,
        against=() if against is None else as_files(against),
        device=device,
        on_epoch=on_epoch,
    )
    trained = train_in_memory(as_files(events), card, options=options)
    return TrainedModel(bundle_in_memory(trained.content, trained.tensors), trained)
