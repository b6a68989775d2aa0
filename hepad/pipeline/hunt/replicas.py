"""Hunts in many samples of background alone: are the p-values of each method uniform?

Each replica is a part of the events, drawn without replacement: a sample like any other of this size. Two of them share
events, so that they are worth no more than 1 / share independent ones where events are few.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.hunt import HuntCard
from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.store import FolderStore, RunFolder
from hepad.inputs.batch import Batch
from hepad.methods.base import MASS, Folds, Window
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.json_text import json_text
from hepad.pipeline.hunt.events import HuntEvents
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.task import Others
from hepad.pipeline.hunt.windows import completed, count_of, family_of, plans_of, windows_of
from hepad.pipeline.hunt.windows_selected import Library, Selector, check_wanted, searches_of
from hepad.provenance import provenance

__all__ = ["ReplicaReport", "ReplicaRow", "hunt_replicas"]

_RESULT = "replicas.json"


@dataclass(frozen=True)
class ReplicaRow:
    """The local significances of a method in a window, `z` (one a replica, of those that could be fitted).

    `mean_z` with its error, `rms_z` about it; `kolmogorov_p` is the probability of p-values as far from uniform ones.
    `selected_excess` is the share of the window that is selected over that of its sidebands, `sculpts` in how many
    replicas the hunt itself would have warned.
    """

    method: str
    set: str
    low: float
    high: float
    mean_z: float
    mean_z_error: float
    rms_z: float
    kolmogorov_p: float
    selected_excess: float
    sculpts: int
    z: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True)
class ReplicaReport:
    """`rows` of all methods and windows; `methods` has for each method the p-values of all windows together."""

    analysis: str
    mass: str
    output: Path | None
    events: int
    replicas: int
    share: float
    rows: tuple[ReplicaRow, ...]
    left_out: Mapping[str, str]
    skipped: tuple[Any, ...] = ()
    complete_before: bool = False

    @property
    def methods(self) -> dict[str, dict[str, float]]:
        """Of each method: how many p-values, their mean, the shares below 0.01 and 0.05, the Kolmogorov test."""
        found = {}
        for name in dict.fromkeys(row.method for row in self.rows):
            p = _p(np.concatenate([row.z for row in self.rows if row.method == name]))
            found[name] = {
                "p_values": len(p),
                "mean": float(p.mean()),
                "below_0.01": float((p < 0.01).mean()),
                "below_0.05": float((p < 0.05).mean()),
                "kolmogorov_p": _kolmogorov(p),
            }
        return found

    def content(self) -> dict[str, Any]:
        """The same wherever it is written to."""
        return {
            "analysis": self.analysis,
            "mass": self.mass,
            "events": self.events,
            "replicas": self.replicas,
            "share": self.share,
            "methods": self.methods,
            "windows": [{**asdict(row), "z": list(row.z)} for row in self.rows],
            "left_out": dict(self.left_out),
        }

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}


def hunt_replicas(
    files: Sequence[str], card: HuntCard, methods: Sequence[str], *, options: HuntOptions, replicas: int, share: float
) -> ReplicaReport:
    """Hunt in `replicas` parts, each a `share` of the events, of files that have background alone.

    `options.output` becomes a folder with `replicas.json`. `UsageError` for fewer than 2 replicas or a share that is
    not between 0 and 1, `InputDataError` if no window can be fitted.
    """
    output, options = options.file, completed(options, card)
    check_folder(output, verb="hunt")
    if replicas < 2 or not 0 < share < 1:
        raise UsageError(f"--replicas {replicas} --share {share:g}: at least 2 replicas of a share between 0 and 1")
    functions = family_of(card)
    windows, left_out = windows_of(card)
    plans = plans_of(files, methods or card.methods, replace(options, window=windows[0][1]))
    check_wanted(list(plans.values()))

    def described(records: Sequence[dict[str, Any]], *, arguments: bool = True) -> dict[str, Any]:
        record = provenance(
            f"hepad hunt --analysis {card.name} --replicas {replicas}",
            inputs=records,
            seed=options.seed,
            arguments=arguments,
        )
        how = {"replicas": replicas, "share": share, "max_events": options.max_events}
        content = {"analysis": card.model_dump(mode="json", by_alias=True), "methods": searches_of(plans), **how}
        return {**content, "provenance": record}

    inputs = next(iter(plans.values())).inputs
    making = Making.of(output, inputs, described, again=options.execution.force or options.restart)
    if before := making.before(read=_stored):
        return before
    with making.run_folder() as folder:
        library = Library(options, folder, making)
        found: dict[tuple[str, str, float, float], list[tuple[float, float, bool]]] = {}
        for number in range(replicas):
            drawn = _DrawnLibrary(library, options, share, number)
            selector = Selector(card, options, windows, drawn, {})
            for plan in plans.values():
                selector.select(plan, _Numbered(folder, number), _told(options, number, replicas))
            left_out.update({f"replica {number} {what}": why for what, why in selector.left_out.items()})
            for one in selector.selected:
                try:
                    count = count_of(card, one, functions)
                except (FitFailedError, InputDataError) as error:
                    left_out[f"replica {number} {one.label}"] = str(error)
                    continue
                place = (one.method, one.set, one.window.low, one.window.high)
                excess = drawn.excess(plans[one.method], one.window, one.masses)
                found.setdefault(place, []).append((count.z, excess, one.dependence.sculpts))
        if not found:
            raise InputDataError(f"no window could be fitted; the first, {': '.join(next(iter(left_out.items())))}")
        events = library.data(next(iter(plans.values())))
        rows = tuple(_row(place, values) for place, values in found.items())
        report = ReplicaReport(
            card.name, options.mass, output, len(events.raw), replicas, share, rows, left_out, events.skipped
        )
        with atomic_folder(output, verb="hunt") as made:
            content = {**described(events.records), "report": report.content()}
            (made / _RESULT).write_text(json_text("hunt/replicas.json", content), encoding="utf-8")
    return report


def _stored(output: Path) -> tuple[dict[str, Any], ReplicaReport]:
    try:
        content = json.loads((output / _RESULT).read_text(encoding="utf-8"))
        kept = content.pop("report")
        rows = tuple(ReplicaRow(**{**row, "z": tuple(row["z"])}) for row in kept["windows"])
        values = (kept["events"], kept["replicas"], kept["share"], rows, kept["left_out"])
        return content, ReplicaReport(kept["analysis"], kept["mass"], output, *values, complete_before=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputDataError(f"{output} is no result of hepad hunt --analysis --replicas") from error


def _row(place: tuple[str, str, float, float], values: Sequence[tuple[float, float, bool]]) -> ReplicaRow:
    z, excess = (np.array([value[i] for value in values]) for i in (0, 1))
    return ReplicaRow(
        *place,
        float(z.mean()),
        float(z.std() / np.sqrt(max(len(z) - 1, 1))),
        float(z.std()),
        _kolmogorov(_p(z)),
        float(excess.mean()),
        sum(value[2] for value in values),
        tuple(map(float, z)),
    )


def _p(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy.special import ndtr

    return np.asarray(ndtr(-z))


def _kolmogorov(p: npt.NDArray[np.float64]) -> float:
    """The probability of as large a distance of the distribution of n p-values from a uniform one."""
    from scipy.stats import kstest

    return float(kstest(p, "uniform").pvalue)


def _told(options: HuntOptions, number: int, replicas: int) -> Any:
    if options.on_training is None:
        return None
    tell = options.on_training
    return lambda done, of: tell(number * of + done, replicas * of)


class _Numbered(RunFolder):
    """The stores of a replica in the folder of a run."""

    def __init__(self, folder: RunFolder, number: int) -> None:
        super().__init__(folder.path)
        self._folder, self._number = folder, number

    def store(self, name: str, key: Mapping[str, Any]) -> FolderStore:
        return self._folder.store(f"replica{self._number}-{name}", key)


class _DrawnLibrary(Library):
    """A part of all events."""

    def __init__(self, library: Library, options: HuntOptions, share: float, number: int) -> None:
        self._whole, self._share = library, share
        self._seed = [options.seed % 2**63, number]
        self._drawn: dict[int, _Drawn] = {}

    def data(self, plan: HuntPlan) -> HuntEvents:
        whole = self._whole.data(plan)
        if id(whole) not in self._drawn:
            size = len(whole.raw)
            rows = np.random.default_rng(self._seed).choice(size, max(1, int(self._share * size)), replace=False)
            self._drawn[id(whole)] = _Drawn(
                whole.job, whole.pieces, whole.records, whole.skipped, of=whole, drawn=np.sort(rows)
            )
        return self._drawn[id(whole)]

    def others(self, plan: HuntPlan) -> Others:
        return self._whole.others(plan)

    def excess(self, plan: HuntPlan, window: Window, masses: npt.NDArray[np.float64]) -> float:
        """The share of the window's events that is selected, over that of its sidebands; 1 if there is none."""
        every = window.parts(self.data(plan).raw.beside[MASS])
        taken = window.parts(masses)
        sides = [sum(int(part[side].sum()) for side in ("lower sideband", "upper sideband")) for part in (taken, every)]
        inside = int(taken["window"].sum()) / max(int(every["window"].sum()), 1)
        return inside * sides[1] / sides[0] if sides[0] else 1.0


@dataclass(frozen=True)
class _Drawn(HuntEvents):
    """Some of the selected events, by their rising numbers."""

    of: HuntEvents = field(kw_only=True)
    drawn: npt.NDArray[np.int64] = field(kw_only=True)

    @cached_property
    def raw(self) -> Batch:
        return self.of.raw.take(self.drawn)

    def folds(self, count: int, seed: int) -> Folds:
        return self.of.folds(count, seed)[self.drawn]

    def around(self, window: Window) -> npt.NDArray[np.int64]:
        place = np.full(len(self.of.raw), -1, dtype=np.int64)
        place[self.drawn] = np.arange(len(self.drawn))
        found = place[self.of.around(window)]
        return found[found >= 0]
