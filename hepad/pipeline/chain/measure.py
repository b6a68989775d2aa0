"""From decisions to fractions: what passes each step, each level, and the levels up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.execution.run import Run
from hepad.pipeline.chain.job import ChainJob
from hepad.pipeline.chain.options import LEVELS
from hepad.pipeline.chain.report import LevelRow, MenuRow, SampleChain
from hepad.pipeline.chain.steps import ChainStep
from hepad.samples.sample import Samples
from hepad.stats.scores.acceptance import Acceptance, Sums, weighted_acceptance
from hepad.trigger.counting import expected_moments, expected_sums, sums
from hepad.trigger.rates import survival

__all__ = ["measure_chain"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Key = tuple[str, str | None, str]
"""A level, one of its steps or None for the whole, and what is counted; of triggers the level is empty."""

CHAIN, MENU = "this chain", "the menu"


def measure_chain(run: Run[ChainJob], name: str) -> SampleChain:
    """Send the events of a sample through a chain. `InputDataError` if the weights of all do not sum to above zero."""
    job, samples = run.job, Samples(run.job.assumed_sqrt_s_gev)
    prescales = np.array(job.menu.prescales if job.menu is not None else (), dtype=np.float64)
    moments: dict[Key, Floats] = {}
    for piece in run:
        weights = piece.part.columns["weight"]
        samples.add(piece.file, piece.path, piece.part.facts, weights)
        passed, seeds = job.unpacked(piece.part)
        kept = survival(seeds, prescales) if job.menu is not None else None
        for key, values in _counted(job.steps, passed, kept):
            moments[key] = moments.get(key, np.zeros(3)) + expected_moments(values.astype(np.float64), weights)
    read = generated = Sums(0, 0.0, 0.0, 0.0)
    for sample, own in samples:
        read, generated = read + own, generated + sample.generated(own)
    if generated.weight <= 0:
        raise InputDataError(f"the weights of {name} sum to {generated.weight:g}: there is no fraction of them")
    rows = _Rows(moments, read, generated)
    levels = tuple(rows.level(level, step, many) for level, step, many in _places(job.steps))
    triggers = tuple(MenuRow(what, rows.fraction(("", what, "kept"), expected=True)) for what in rows.triggers())
    return SampleChain(name, read.events, generated.events, generated.weight, levels, triggers)


def _levels(steps: Sequence[ChainStep]) -> list[tuple[str, list[int]]]:
    """The levels that have steps, and the places of these."""
    found = [(level, [i for i, step in enumerate(steps) if step.level == level]) for level in LEVELS]
    return [(level, places) for level, places in found if places]


def _places(steps: Sequence[ChainStep]) -> Iterator[tuple[str, str | None, bool]]:
    """The rows of the table: each level, before it its steps if there are several."""
    for level, places in _levels(steps):
        many = len(places) > 1
        yield from ((level, steps[i].name, many) for i in places if many)
        yield level, None if many else steps[places[0]].name, False


def _counted(steps: Sequence[ChainStep], passed: Mask, kept: Floats | None) -> Iterator[tuple[Key, Floats | Mask]]:
    """What is counted of events, as masks or, of what a menu keeps, probabilities (n,)."""
    here = triggered = np.ones(len(passed), dtype=np.bool_)
    levels = _levels(steps)
    for level, places in levels:
        fires = passed[:, places]
        number = fires.sum(axis=1)
        for column, place in enumerate(places if len(places) > 1 else ()):
            own = fires[:, column]
            yield from _row((level, steps[place].name), own, here, kept)
            yield (level, steps[place].name, "only"), np.asarray(here & own & (number == 1))
        name = None if len(places) > 1 else steps[places[0]].name
        yield from _row((level, name), number > 0, here, kept)
        triggered = triggered if level == LEVELS[-1] else triggered & (number > 0)
        here = here & (number > 0)
    if kept is None:
        return
    wanted = passed[:, levels[-1][1]].any(axis=1) if levels[-1][0] == LEVELS[-1] else np.ones(len(passed), np.bool_)
    chain = (wanted & triggered).astype(np.float64)
    menu = np.asarray(wanted * kept, dtype=np.float64)
    compared: list[tuple[str, Floats]] = [
        ("all, without a trigger", np.asarray(wanted, dtype=np.float64)),
        (CHAIN, chain),
        (MENU, menu),
        ("both", chain * kept),
        ("either", chain + menu - chain * kept),
        ("this chain and not the menu", np.asarray(chain * (1 - kept))),
    ]
    for what, values in compared:
        yield ("", what, "kept"), values


def _row(
    row: tuple[str, str | None], own: Mask, here: Mask, kept: Floats | None
) -> Iterator[tuple[Key, Floats | Mask]]:
    yield (*row, "alone"), own
    yield (*row, "before"), here
    yield (*row, "cumulative"), here & own
    if kept is not None:
        yield (*row, "menu_too"), np.asarray((here & own) * kept)


class _Rows:
    """The fractions of moments that were counted, of all `generated` events; `read` are those in the files."""

    def __init__(self, moments: dict[Key, Floats], read: Sums, generated: Sums) -> None:
        self._moments, self._read, self._generated = moments, read, generated

    def fraction(self, key: Key, *, expected: bool = False) -> Acceptance:
        return weighted_acceptance(self._sums(key, expected=expected), self._generated)

    def triggers(self) -> list[str]:
        return [step for level, step, _ in self._moments if level == "" and step is not None]

    def level(self, level: str, step: str | None, many: bool) -> LevelRow:
        before = self._sums((level, step, "before"))
        cumulative = self._sums((level, step, "cumulative"))
        there = before.weight > 0 and before.weight2 > 0
        return LevelRow(
            level,
            step,
            self.fraction((level, step, "alone")),
            self.fraction((level, step, "cumulative")),
            weighted_acceptance(cumulative, before) if there else None,
            self.fraction((level, step, "only")) if many else None,
            self.fraction((level, step, "menu_too"), expected=True)
            if (level, step, "menu_too") in self._moments
            else None,
        )

    def _sums(self, key: Key, *, expected: bool = False) -> Sums:
        return (expected_sums if expected else sums)(self._moments[key], self._read)
