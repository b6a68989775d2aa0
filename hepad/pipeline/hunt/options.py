"""How a hunt was asked for, and the card that this amounts to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hepad import registry
from hepad.bundles.checkpoint import fingerprint
from hepad.cards.analysis import RegionSpec
from hepad.cards.base import parse_card
from hepad.cards.input import InputCard
from hepad.cards.method import MethodCard, load_method
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.execution.run import OnEvents
from hepad.inputs.base import make_input
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables.features import TablePath
from hepad.io.tables.scores import ScoreFormat
from hepad.methods.base import Window, make_method
from hepad.methods.base.checks import samples_of
from hepad.nn.scorer import EpochEnd
from hepad.output.complete import made_with, selection_hash
from hepad.paths import InputPath
from hepad.pipeline.hunt.mass import HuntMass, mass_of
from hepad.provenance import command_line, provenance, sha256_bytes

__all__ = ["HuntOptions", "HuntPlan"]


@dataclass(frozen=True)
class HuntOptions:
    """Options of `hunt`; None takes the value of the method's card.

    `mass` names the objects whose mass is hunted in, `window` is in GeV. `features` are those of the input, which may
    hold the mass only with `allow_mass`; with `table` files are tables, mass and features their columns, or names that
    `columns` has expressions of columns for. `input` is that of an analysis, see `HuntCard`. `restarts` is a key of the
    method; `background` and `signals` by name are files of simulation, for methods that want some. `output` None is for
    scores that stay in memory. An interrupted run is gone on with by itself; `resume` asks that there be one, `restart`
    forgets it. `on_training` is told how many trainings are done, of how many, `on_fit` of
    the spectra of an analysis.
    """

    mass: str
    window: Window
    output: Path | None = None
    format: ScoreFormat = "root"
    selection: str | None = None
    features: Sequence[str] = ()
    allow_mass: bool = False
    table: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    input: InputCard | None = None
    background: Sequence[str] = ()
    signals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    regions: Mapping[str, RegionSpec] = field(default_factory=dict)
    seed: int = 1
    folds: int | None = None
    restarts: int | None = None
    epochs: int | None = None
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    device: str = "cpu"
    resume: bool = False
    restart: bool = False
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None
    on_epoch: Callable[[EpochEnd], None] | None = None
    on_training: Callable[[int, int], None] | None = None
    on_fit: Callable[[int, int], None] | None = None

    @property
    def file(self) -> Path:
        """The output; `UsageError` if there is none."""
        if self.output is None:
            raise UsageError("give the file that the scores go to")
        return self.output


@dataclass(frozen=True)
class HuntPlan:
    """What is hunted for, before any event is read: the card with all that was changed in it."""

    card: MethodCard
    selection: SelectionCard
    mass: HuntMass
    window: Window
    seed: int
    paths: Sequence[InputPath]
    device: str = "cpu"
    background: Sequence[InputPath] = ()
    signals: Mapping[str, Sequence[InputPath]] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Sequence[str | InputPath], method: str, options: HuntOptions) -> HuntPlan:
        """Load the cards; `UsageError` if the network would see the mass itself, `CardError` for a wrong card."""
        card = _changed(load_method(method), options)
        mass = mass_of(options.mass, card.input, allowed=options.allow_mass)
        make_method(card.method, make_input(card.input).layout).check_folds(card.folds)
        selection = load_selection(card.selection)

        def paths(names: Sequence[str | InputPath]) -> Sequence[InputPath]:
            found = expand_files(names) if names else []
            return [TablePath(path) for path in found] if card.input.kind == "table" else found

        signals = {name: paths(of) for name, of in options.signals.items()}
        data, others = paths(files) or expand_files(files), paths(options.background)
        return cls(card, selection, mass, options.window, options.seed, data, options.device, others, signals)

    @property
    def inputs(self) -> list[InputPath]:
        """All files: those of the data, of background and of signals."""
        return [*self.paths, *self.background, *(path for paths in self.signals.values() for path in paths)]

    def takes(self, what: str) -> bool:
        """Whether the method learns from simulated `background` or `signals`, or can do with and without."""
        return what in samples_of(registry.load(registry.METHODS[self.card.method.name]))

    def reading(self) -> dict[str, Any]:
        """What the events in memory depend on besides the files."""
        read = {"input": self.card.input.model_dump(mode="json"), "mass": self.mass.content}
        return made_with(**selection_hash(self.selection), **read)

    def content(self) -> dict[str, Any]:
        """What the weights depend on besides the events, in JSON types."""
        return {
            "card": self.card.model_dump(mode="json", by_alias=True, exclude={"regions"}),
            "selection": self.selection.model_dump(mode="json", by_alias=True),
            "mass": self.mass.content,
            "window": [self.window.low, self.window.high, *self.window.sidebands],
            "seed": self.seed,
            **({"background": len(self.background)} if self.background else {}),
            **({"signals": {name: len(paths) for name, paths in self.signals.items()}} if self.signals else {}),
            **({} if self.device == "cpu" else {"device": self.device}),
        }

    def key(self, records: Sequence[dict[str, Any]], events: int) -> str:
        """The fingerprint of a training on these files and so many events."""
        return fingerprint(self.content(), list(records), events)

    def provenance(
        self, options: HuntOptions, records: Sequence[dict[str, Any]], *, arguments: bool = True
    ) -> dict[str, Any]:
        """The record of the output."""
        window, (below, above) = self.window, self.window.sidebands
        command = command_line(
            "hunt",
            method=self.card.name,
            mass=options.mass,
            window=f"{window.low!r}:{window.high!r}",
            sidebands=f"{below!r}:{above!r}",
            selection=self.selection.name,
            seed=options.seed,
            max_events=options.max_events,
            device=None if self.device == "cpu" else self.device,
        )
        content = json.dumps(self.card.model_dump(mode="json", by_alias=True), sort_keys=True)
        cards = {**selection_hash(self.selection), f"method {self.card.name}": sha256_bytes(content.encode())}
        return provenance(command, inputs=records, seed=options.seed, cards=cards, arguments=arguments)


def _changed(card: MethodCard, options: HuntOptions) -> MethodCard:
    """The card with what the options say in place of its own."""
    content = card.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if options.selection is not None:
        content["selection"] = options.selection
    if options.folds is not None:
        content["folds"] = options.folds
    takes = options.input is not None and options.input.kind in registry.METHODS[card.method.name].inputs
    if options.input is not None and takes and not card.own_input:
        content["input"] = options.input.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if options.table:
        own = content["input"]
        columns = {"columns": dict(options.columns)} if options.columns else {}
        seen = {"features": list(own.get("features", ())), "scale": own.get("scale", "standard")}
        content["input"] = {"kind": "table", **seen, **columns}
    if options.features:
        content["input"]["features"] = list(options.features)
    if options.restarts is not None:
        content["method"]["restarts"] = options.restarts
    if options.epochs is not None:
        content.setdefault("train", {})["epochs"] = options.epochs
    content["regions"] = {**content.get("regions", {}), **{name: _spec(spec) for name, spec in options.regions.items()}}
    return parse_card(MethodCard, content, f"method {card.name}, with the options of the command line")


def _spec(spec: RegionSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_none=True)
