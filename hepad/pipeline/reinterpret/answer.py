"""One signal sample held against a search: what is kept, where it shows, and whether it is excluded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.execution.run import Skipped
from hepad.execution.store import Store
from hepad.paths import InputPath
from hepad.pipeline.reinterpret.combine import Limits, set_limits
from hepad.pipeline.reinterpret.limits import ChannelLimit, Inputs, Yield, limit_json
from hepad.pipeline.reinterpret.measure import Measured, measure
from hepad.pipeline.reinterpret.published import Published, published_limit
from hepad.pipeline.reinterpret.verdict import Conclusion, conclude
from hepad.samples.sample import FileSample, common_cross_section, common_energy
from hepad.search.events import Reading
from hepad.search.expectation import Simulated
from hepad.search.search import Search
from hepad.stats.limits.cls import Calculator

__all__ = ["Answer", "Settings", "answer"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an answer needs besides the sample. `signal_error` None is the card's; `remarks` are warnings to pass on.

    `calculator` and `toys` as in `LimitOptions`.
    """

    search: Search
    simulated: Simulated | None
    reading: Reading
    signal_error: float | None = None
    calculator: Calculator = "auto"
    toys: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer for one sample; `cross_section_pb` is None if nobody said it, `limits` if the search sets none.

    `skipped` are the files of the sample that were left out.
    """

    measured: Measured
    cross_section_pb: float | None
    limits: Limits | None
    published: Mapping[str, Published]
    conclusion: Conclusion
    warnings: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def search(self) -> Search:
        """The search."""
        return self.measured.search

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types."""
        measured, search = self.measured, self.search
        return {
            "analysis": search.card.name,
            "search": _search_json(search),
            "events": measured.read.events,
            "sum_weights": measured.read.weight,
            "generated": {"events": measured.generated.events, "sum_weights": measured.generated.weight},
            "cross_section_pb": self.cross_section_pb,
            "cutflow": _cutflow(measured),
            "acceptance": {region: _acceptance(measured, region) for region in search.regions},
            "channels": {name: self._channel(limit) for name, limit in self._channels().items()},
            "combined": self._combined(),
            "overlaps": self._overlaps(),
            "verdict": self.conclusion.to_json(),
            "no_limit": [group.to_json() for group in self.conclusion.reasons],
            "warnings": list(self.warnings),
            "skipped": [vars(skipped) for skipped in self.skipped],
        }

    def _channels(self) -> Mapping[str, ChannelLimit]:
        return self.limits.channels if self.limits else {}

    def _channel(self, limit: ChannelLimit) -> dict[str, Any]:
        assert self.limits is not None  # noqa: S101  there are channels with limits only
        yields, expectation = self.limits.inputs.yields, limit.expectation
        background = None if expectation is None or expectation.background is None else expectation.background
        known = self.cross_section_pb is not None
        return {
            "expected_events": limit.events(yields) if known else None,
            "expected_events_error": limit.acceptance.error * yields.events if known else None,
            "acceptance": limit.acceptance.value,
            "acceptance_error": limit.acceptance.error,
            "simulated_events": limit.acceptance.events,
            "background_events": None if background is None else float(background.sum()),
            "background": None if expectation is None else expectation.how,
            "background_effective_events": None if expectation is None else expectation.effective,
            "signal_unused": limit.unused,
            "range_gev": [float(limit.edges[0]), float(limit.edges[limit.bins])],
            "observed_events": None
            if expectation is None or expectation.observed is None
            else float(expectation.observed.sum()),
            **limit_json(limit.result, yields.reference_pb),
            "limit_pb_expected_alternatives": {k: v * yields.reference_pb for k, v in limit.alternatives.items()},
            "no_limit_because": None if limit.reason is None else limit.reason.words(),
            "no_limit": None if limit.reason is None else limit.reason.to_json(),
            "published": self.published[limit.name].to_json() if limit.name in self.published else None,
        }

    def _combined(self) -> dict[str, Any] | None:
        if self.limits is None:
            return None
        combined = self.limits.combined
        return {
            "method": combined.method,
            "channels": list(combined.channels),
            **limit_json(combined.result, self.limits.inputs.yields.reference_pb),
            "remark": combined.reason,
        }

    def _overlaps(self) -> dict[str, dict[str, float]]:
        if self.limits is None:
            return {}
        names = list(self.limits.channels)
        return {a: {b: float(self.limits.overlaps[i, j]) for j, b in enumerate(names)} for i, a in enumerate(names)}


def answer(
    paths: Sequence[InputPath],
    settings: Settings,
    cross_section_pb: float | None,
    *,
    store: Store | None = None,
    write: Callable[[Mapping[str, npt.NDArray[Any]]], None] | None = None,
) -> Answer:
    """Hold the events of files, one sample, against a search.

    The cross section (pb) is that of all generated events; None takes what the files state. Without any, limits are
    still set, and nothing is said of an exclusion. `store` keeps what is done, the columns of all events go to `write`.
    """
    search, card = settings.search, settings.search.card
    if cross_section_pb is not None and not 0 < cross_section_pb < math.inf:
        raise UsageError(f"the cross section is above 0, found {cross_section_pb:g} pb")
    run = settings.reading.run(paths, search, store)
    measured, samples = measure(run, write)
    stated = common_energy(samples)
    energy = settings.reading.sqrt_s_gev or stated or card.sqrt_s_gev
    section = cross_section_pb if cross_section_pb is not None else common_cross_section(samples)
    limits = _limits(settings, measured, section)
    published = {} if limits is None else _published(measured, limits, section)
    warnings = (*_remarks(settings, energy, stated), *_notes(samples), *(limits.warnings if limits else ()))
    found = conclude(section, measured, limits, published)
    return Answer(measured, section, limits, published, found, warnings, tuple(run.skipped))


def _limits(settings: Settings, measured: Measured, section: float | None) -> Limits | None:
    card = settings.search.card
    if card.luminosity is None:
        return None
    error = card.signal_error if settings.signal_error is None else settings.signal_error
    yields = Yield(
        luminosity_fb=card.luminosity.fb,
        reference_pb=section or 1.0,
        signal_error=error,
        luminosity_error=card.luminosity.relative_error,
        calculator=settings.calculator,
        toys=settings.toys,
    )
    return set_limits(Inputs(measured, yields, settings.simulated))


def _published(measured: Measured, limits: Limits, section: float | None) -> dict[str, Published]:
    found = {name: published_limit(measured.search, limit, section) for name, limit in limits.channels.items()}
    return {name: one for name, one in found.items() if one is not None}


def _remarks(settings: Settings, energy: float, stated: float | None) -> list[str]:
    card = settings.search.card
    remarks = [*settings.remarks]
    if not np.isclose(energy, card.sqrt_s_gev, rtol=1e-3):
        remarks.append(
            f"the sample is at {energy:g} GeV and {card.name} at {card.sqrt_s_gev:g} GeV: acceptance and limit are not "
            "those of that search"
        )
    if stated is None and settings.reading.sqrt_s_gev is None:
        remarks.append(f"the files do not state their collision energy; {energy:g} GeV is assumed (--sqrt-s)")
    search = settings.search
    if search.changes:
        what = ", ".join(search.changes)
        remarks.append(f"{what}: not as on the card, so that this is another search than {card.name}")
    elif not search.as_published:
        remarks.append(f"limits are set in region {search.signal_region}, those of {card.name} in {card.limit_region}")
    return remarks


def _notes(samples: Sequence[FileSample]) -> list[str]:
    """What was done to the events of the files that people should know of, each note once."""
    files: dict[str, list[str]] = {}
    for sample in samples:
        for note in sample.info.notes:
            files.setdefault(note, []).append(sample.path.name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more files' if len(names) > 1 else ''}: {note}"
        for note, names in files.items()
    ]


def _search_json(search: Search) -> dict[str, Any]:
    card = search.card
    return {
        "title": card.title,
        "reference": card.reference,
        "fidelity": card.fidelity,
        "fidelity_note": card.fidelity_note,
        "as_published": search.as_published,
        "signal_region": search.signal_region,
        "luminosity_fb": None if card.luminosity is None else card.luminosity.fb,
        "sqrt_s_gev": card.sqrt_s_gev,
        "selections": {category.name: category.selection.name for category in search.categories},
        "models": {c.name: None if c.bundle is None else c.bundle.card.name for c in search.categories},
    }


def _cutflow(measured: Measured) -> list[dict[str, Any]]:
    rows = []
    for name, flow in measured.flows.items():
        for (value, error), numbers in zip(measured.fractions(name), flow.to_json(), strict=True):
            rows.append({"category": name, **numbers, "efficiency": value, "efficiency_error": error})
    return rows


def _acceptance(measured: Measured, region: str) -> dict[str, Any]:
    found = measured.acceptance(region).to_json()
    if len(measured.search.categories) > 1:
        parts = {c.name: measured.acceptance(region, c.name).to_json() for c in measured.search.categories}
        found["categories"] = parts
    return found
