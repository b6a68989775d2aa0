"""One signal sample held against a search: what is kept, where it shows, and whether it is excluded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.execution.run import Skipped
from hepad.execution.store import Store
from hepad.paths import InputPath
from hepad.pipeline.reinterpret.combine import Limits, set_limits
from hepad.pipeline.reinterpret.limits import Inputs, Yield
from hepad.pipeline.reinterpret.measure import Measured, measure
from hepad.pipeline.reinterpret.published import Published, published_limit
from hepad.pipeline.reinterpret.systematics import JetShift
from hepad.pipeline.reinterpret.together import limits_together
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

    `calculator` and `toys` as in `LimitOptions`. `jes` is the relative error of the jets' energy, 0 for none.
    `elsewhere` sets the limits in the other regions of the card too.
    """

    search: Search
    simulated: Simulated | None
    reading: Reading
    signal_error: float | None = None
    jes: float = 0.0
    calculator: Calculator = "auto"
    toys: int = 0
    remarks: tuple[str, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer for one sample; `cross_section_pb` is None if nobody said it, `limits` if the search sets none.

    `shifted` is the sample with its jets scaled, None if that was not asked for. `skipped` are the files of the sample
    that were left out, `whole` says by their places why files were read as a whole.
    """

    measured: Measured
    cross_section_pb: float | None
    limits: Limits | None
    published: Mapping[str, Published]
    conclusion: Conclusion
    warnings: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    shifted: JetShift | None = None
    whole: Mapping[int, str] = field(default_factory=dict)

    @property
    def search(self) -> Search:
        """The search."""
        return self.measured.search


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
    shifted = _shifted(paths, settings, measured) if settings.jes > 0 else None
    limits = _limits(settings, measured, section, shifted)
    published = {} if limits is None else _published(measured, limits, section)
    warnings = (*_remarks(settings, energy, stated), *_notes(samples), *(limits.warnings if limits else ()))
    found = conclude(section, measured, limits, published)
    return Answer(measured, section, limits, published, found, warnings, tuple(run.skipped), shifted, run.whole)


def _shifted(paths: Sequence[InputPath], settings: Settings, measured: Measured) -> JetShift:
    """The same files once more with the energy of all jets a standard deviation down, and up."""

    def scaled(factor: float) -> Measured:
        return measure(replace(settings.reading, jet_scale=factor).run(paths, settings.search))[0]

    return JetShift(settings.jes, measured, scaled(1 - settings.jes), scaled(1 + settings.jes))


def _limits(settings: Settings, measured: Measured, section: float | None, shifted: JetShift | None) -> Limits | None:
    card = settings.search.card
    if card.luminosity is None:
        return None
    error = card.signal_error if settings.signal_error is None else settings.signal_error
    yields = Yield(
        luminosity_fb=card.luminosity.fb,
        reference_pb=section or 1.0,
        signal_error=math.hypot(error, shifted.error) if shifted else error,
        luminosity_error=card.luminosity.relative_error,
        calculator=settings.calculator,
        toys=settings.toys,
    )
    limits = _set_limits(Inputs(measured, yields, settings.simulated))
    elsewhere = _elsewhere(limits.inputs) if settings.elsewhere else {}
    others = {f"region_{name}": _set_limits(one) for name, one in elsewhere.items()}
    if shifted is not None:
        for name, one in (("jets_down", shifted.down), ("jets_up", shifted.up)):
            others[name] = _set_limits(Inputs(one, yields, settings.simulated))
    return limits.beside(others)


def _elsewhere(inputs: Inputs) -> dict[str, Inputs]:
    """The same in the other regions of the card, of which simulated background is known; by formulae, for a comparison.

    Published spectra are of one region.
    """
    search, yields = inputs.measured.search, replace(inputs.yields, calculator="asymptotic")
    published = any(channel.observed or channel.background for c in search.categories for channel in c.channels)
    if inputs.simulated is None or published or search.card.simultaneous is not None:
        return {}
    return {
        name: Inputs(replace(inputs.measured, search=replace(search, signal_region=name)), yields, inputs.simulated)
        for name in search.card.regions
        if name != search.signal_region
    }


def _set_limits(inputs: Inputs) -> Limits:
    together = inputs.measured.search.card.simultaneous is not None
    return limits_together(inputs) if together else set_limits(inputs)


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
