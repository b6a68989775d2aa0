"""Does a model fit the trigger, by how much, and how do we know?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.budget import BudgetCard, load_budget, load_device
from hepad.errors import MissingExtraError, UsageError
from hepad.inputs.batch import Batch
from hepad.paths import InputPath
from hepad.pipeline.latency.libraries import LibraryModel
from hepad.pipeline.latency.measured import Measured, measure, measured_alone
from hepad.pipeline.latency.options import LatencyOptions
from hepad.pipeline.latency.output import check_output, write_output
from hepad.pipeline.latency.report import TIERS, LatencyReport, Tier, TierName, checks
from hepad.samples.trigger import TriggerModel, decision_flips, lighter_score, trigger_events, trigger_model
from hepad.trigger.calibration import Period, clock_period
from hepad.trigger.logic import COMBINATIONAL, CUTOFF, Logic, compile_logic
from hepad.trigger.network import operations
from hepad.trigger.verilog import simulate, write_project
from hepad.trigger.yosys import synthesise

__all__ = ["latency", "latency_of"]


def latency(files: Sequence[str], model: str, *, options: LatencyOptions) -> LatencyReport:
    """Hold a model against a budget; with `options.output`, write a folder with the report and its figure.

    `files` are events on which logic and emulation are compared, and decisions with the model's; without them random
    inputs take their place. `MissingExtraError` if a tool of a tier that was asked for by name is missing. A model
    without logic has the tier `measured`, if that is the only one.
    """
    if options.output is not None:
        check_output(options.output)
    report = latency_of(files, model, options=options)
    if options.output is not None:
        write_output(report, files, options.output, options=options)
    return report


def latency_of(files: Sequence[str | InputPath], model: str | Bundle, *, options: LatencyOptions) -> LatencyReport:
    """The same for events and bundles in memory, too; nothing is written."""
    budget = None if options.budget is None else load_budget(options.budget)
    wanted, optional = _tiers(options, budget)
    if budget is not None and budget.combinational:
        if options.cutoff != CUTOFF:
            raise UsageError(f"--cutoff {options.cutoff:g}: budget {budget.name} is of logic without stages")
        options = replace(options, cutoff=COMBINATIONAL)
    if wanted == ["measured"]:
        return _of_processor(files, model, budget, options)
    return _of_logic(files, model, budget, options, wanted, optional=optional)


def _of_logic(
    files: Sequence[str | InputPath],
    model: str | Bundle,
    budget: BudgetCard | None,
    options: LatencyOptions,
    wanted: Sequence[TierName],
    *,
    optional: bool,
) -> LatencyReport:
    made = trigger_model(model, bits=options.bits, score=options.score, part=options.part, shallow=options.shallow)
    events = trigger_events(made, files, max_events=options.max_events, seed=options.seed)
    work = _Work(made, events, options)
    remarks: list[str] = []
    tiers: dict[TierName, Tier] = {}
    tell = options.on_tier or _nobody
    for number, name in enumerate(wanted):
        tell(number, len(wanted), name)
        try:
            with _stopwatch() as seconds:
                tier = work.tier(name)
            tiers[name] = _timed(tier, seconds())
        except MissingExtraError as error:
            if not optional:
                raise
            remarks.append(f"no {name} tier: {error}")
    tell(len(wanted), len(wanted), "")
    if not tiers:
        raise MissingExtraError("; ".join(remarks))
    remarks += work.remarks(tiers, budget)
    found = () if budget is None else checks(budget, tiers, made.input_bits)
    if budget is not None and not found:
        raise UsageError(f"--tier {', '.join(tiers)} says nothing of budget {budget.name}: add {_needed(budget)[0]}")
    return LatencyReport(_name(model), options.budget, tiers, found, work.details(bool(files)), tuple(remarks))


def _of_processor(
    files: Sequence[str | InputPath], model: str | Bundle, budget: BudgetCard | None, options: LatencyOptions
) -> LatencyReport:
    """The measured tier alone, of any bundle."""
    if options.bits or options.shallow:
        raise UsageError("--bits and --shallow are of logic; what a processor runs is in floating point")
    if budget is not None and budget.device is not None:
        raise UsageError(f"--tier measured says nothing of budget {budget.name}: add {_needed(budget)[0]}")
    tell = options.on_tier or _nobody
    tell(0, 1, "measured")
    with _stopwatch() as seconds:
        tier, details, remarks = measured_alone(
            model,
            files,
            options.measure,
            score=options.score,
            part=options.part,
            max_events=options.max_events,
            seed=options.seed,
        )
    tell(1, 1, "")
    tiers: dict[TierName, Tier] = {"measured": _timed(tier, seconds())}
    checked = () if budget is None else checks(budget, tiers, 0)
    return LatencyReport(_name(model), options.budget, tiers, checked, details, tuple(remarks))


def _nobody(done: int, of: int, following: str) -> None:
    """Nobody wants to know."""


def _name(model: str | Bundle) -> str:
    return model if isinstance(model, str) else model.card.name


class _Work:
    """The tiers of one design; the logic is made once."""

    def __init__(self, model: TriggerModel, events: Batch, options: LatencyOptions) -> None:
        self._model, self._events, self._options = model, events, options
        self._found: Measured | None = None

    def tier(self, name: TierName) -> Tier:
        """Run one tier."""
        return {
            "estimated": self._estimated,
            "synthesised": self._synthesised,
            "simulated": self._simulated,
            "measured": self._measured,
        }[name]()

    @cached_property
    def _rows(self) -> npt.NDArray[np.float64]:
        return self._model.design.quantised(self._events.x)

    @cached_property
    def _expected(self) -> npt.NDArray[np.float64]:
        return np.asarray(self._model.design(self._rows), dtype=np.float64)

    @cached_property
    def _logic(self) -> Logic:
        return compile_logic(self._model.design, cutoff=self._options.cutoff)

    @property
    def _combinational(self) -> bool:
        return self._options.cutoff == COMBINATIONAL

    @cached_property
    def _period(self) -> Period:
        return clock_period(self._logic.cost)

    def _of_edges(self, edges: int, **known: Any) -> Tier:
        period, steps = self._period, float(edges)
        if self._combinational:  # as many of the stages that the period is calibrated for as its path is long
            steps = self._logic.depth / CUTOFF
            return Tier(steps * period.ns, steps * period.error_ns, edges, 1, period_ns=steps * period.ns, **known)
        return Tier(steps * period.ns, steps * period.error_ns, edges, 1, period_ns=period.ns, **known)

    def _estimated(self) -> Tier:
        logic = self._logic
        wrong = int((logic.interpreted(self._rows) != self._expected).any(axis=1).sum())
        return self._of_edges(
            logic.clock_edges,
            lut=round(logic.cost),
            ff=logic.registers,
            dsp=0,
            bit_exact_events=len(self._rows),
            mismatches=wrong,
            tool=logic.tool,
        )

    def _simulated(self) -> Tier:
        with self._project() as folder:
            found = simulate(folder, self._logic)
        return self._of_edges(
            found.clock_edges, bit_exact_events=found.events, mismatches=found.mismatches, tool=found.tool
        )

    def _synthesised(self) -> Tier:
        with self._project() as folder:
            found = synthesise(folder)
        return self._of_edges(self._logic.clock_edges, lut=found.lut, ff=found.ff, dsp=found.dsp, tool=found.tool)

    @contextmanager
    def _project(self) -> Iterator[Path]:
        logic = self._logic
        with TemporaryDirectory() as scratch:
            write_project(logic, Path(scratch), self._rows, self._expected)
            yield Path(scratch)

    def _measured(self) -> Tier:
        model = LibraryModel(self._model.bundle, self._model.score, self._model.network)
        self._found = measure(model, self._events, self._options.measure)
        return self._found.tier

    def remarks(self, tiers: Mapping[TierName, Tier], budget: BudgetCard | None) -> list[str]:
        """What a reader of the numbers must know."""
        found = []
        if set(tiers) - {"measured"}:
            lighter = lighter_score(self._model) if self._options.score is None else None
            if lighter is not None:
                found.append(f"score {lighter[0]} (--score) has {lighter[1]:.0%} of the weights of {self._model.score}")
            period = self._period
            if self._combinational:
                found.append(
                    f"combinational: nanoseconds are {self._logic.depth:g} adders in a row, each half of a clock "
                    "period of published pipelined designs; edges are those of the registers at input and output"
                )
            elif self._options.cutoff != CUTOFF:
                found.append(
                    f"nanoseconds at cutoff {self._options.cutoff:g} are a guess: they are calibrated at {CUTOFF}"
                )
            if period.extrapolated:
                found.append(
                    f"the clock period of {period.ns:.2f} ns is extrapolated: published designs cost 34 k to 302 k LUT"
                )
            found.append(f"clock periods are those that published designs reached on an XCVU13P-2{_there(budget)}")
        return found + (self._found.remarks() if self._found else [])

    def details(self, real: bool) -> dict[str, Any]:
        """Beyond the tiers: bit widths, what they do to decisions, operations, timings."""
        model = self._model
        found: dict[str, Any] = {
            "score": model.score,
            "part": self._options.part,
            "shallow": self._options.shallow,
            "combinational": self._combinational,
            "bits": model.design.bits,
            "input_bits": model.input_bits,
            "events": len(self._events),
            "random_inputs": not real,
            "operations": (
                model.design.operations(self._events.x)
                if model.network is None
                else operations(model.network, self._events.x)
            ),
            **(self._found.details() if self._found else {"timings": [], "agreement": [], "memory_mb": None}),
        }
        if real and self._options.part == "full":
            reference = model.bundle.scorer.scores(self._events)[model.score]
            flips = decision_flips(model.regions(), reference, self._expected[:, 0] * model.design.scale)
            found["decisions"] = [item.to_json() for item in flips]
        return found


def _tiers(options: LatencyOptions, budget: BudgetCard | None) -> tuple[list[TierName], bool]:
    """Which tiers to run, and whether one may be left out when its tool is missing."""
    unknown = [name for name in options.tiers if name not in {*TIERS, "all"}]
    if unknown:
        raise UsageError(f"--tier {unknown[0]}: choose from {', '.join(TIERS)}, all")
    if "all" in options.tiers:
        return list(TIERS), True
    if options.tiers:
        return [name for name in TIERS if name in options.tiers], False
    return [_needed(budget)[0]], False


def _needed(budget: BudgetCard | None) -> tuple[TierName, ...]:
    return ("measured",) if budget is not None and budget.device is None else TIERS[:-1]


def _there(budget: BudgetCard | None) -> str:
    """What they are on the device of a budget."""
    if budget is None or budget.device is None:
        return ""
    device = load_device(budget.device)
    return {
        "calibrated": "",
        "same_family": f"; {device.name} is of its family",
        "optimistic": f"; {device.name} is slower: its nanoseconds are optimistic, by how much is not known",
        "unknown": f"; what {device.name} reaches is not known",
    }[device.clock]


@contextmanager
def _stopwatch() -> Iterator[Callable[[], float]]:
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start


def _timed(tier: Tier, seconds: float) -> Tier:
    return Tier(**{**vars(tier), "seconds": seconds})
