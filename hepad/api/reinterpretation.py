"""`reinterpret`: a signal in files or in memory against a published search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.api.events import as_files
from hepad.api.record import Record, Row
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.pipeline.reinterpret.run import ReinterpretOptions, ReinterpretReport
from hepad.stats.limits.cls import Calculator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ReinterpretRecord", "reinterpret"]


@dataclass(frozen=True, repr=False)
class ReinterpretRecord(Record):
    """What a published search says of a signal; `report.result` has all numbers as typed records."""

    report: ReinterpretReport

    @property
    def verdict(self) -> str:
        """The answer: "excluded", "not excluded" or "cannot say"."""
        return self.report.result.verdict.status

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self.report.result.verdict.reason

    @property
    def acceptance(self) -> dict[str, tuple[float, float]]:
        """The fraction of all generated events in each region, and its error from the finite sample."""
        return {name: (one.value, one.error) for name, one in self.report.result.sample.acceptance.items()}

    @property
    def observed_pb(self) -> float | None:
        """The observed limit on the cross section in pb, all channels combined; None if there is none."""
        return self.report.result.sample.limit.observed

    @property
    def expected_pb(self) -> float | None:
        """The median expected limit on the cross section in pb, all channels combined; None if there is none."""
        return self.report.result.sample.limit.expected

    def to_json(self) -> dict[str, Any]:
        """As `hepad reinterpret --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.result.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = [["because", self.reason]]
        rows += [[f"acceptance, {name}", f"{a:.3%} ± {error:.3%}"] for name, (a, error) in self.acceptance.items()]
        for what, limit in (("expected", self.expected_pb), ("observed", self.observed_pb)):
            rows += [] if limit is None else [[f"limit, {what}", f"{limit:.4g} pb"]]
        return f"{self.report.result.analysis}: {self.verdict}", ["quantity", "value"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.errors import UsageError
        from hepad.pipeline.reinterpret.figures import draw_answer

        if self.report.answer is None:
            raise UsageError("an answer that was read from a folder has no figure; look into the folder")
        draw_answer(self.report.answer, self.report.curve, ax)


def reinterpret(
    events: Any,
    analysis: str | Path,
    *,
    cross_section_pb: float | None = None,
    luminosity_fb: float | None = None,
    region: str | None = None,
    selection: str | None = None,
    model: str | None = None,
    background: str | Path | None = None,
    sqrt_s_gev: float | None = None,
    signal_error: float | None = None,
    jes: float = 0.0,
    calculator: Calculator = "auto",
    toys: int = 0,
    max_events: int | None = None,
    step_size: int = DEFAULT_STEP_SIZE,
) -> ReinterpretRecord:
    """What fraction of a signal a published search keeps, in which spectra it shows, and whether it is excluded.

    `events` are one signal sample: files, or arrays in memory as in `hepad.load_events`, which must be all that was
    generated, before any selection. `analysis` is a search (`hepad list analyses`), a card, or a packed folder.
    `cross_section_pb` is that of the sample in pb, `luminosity_fb` in fb-1, `sqrt_s_gev` in GeV; None takes what the
    files or the card say. `region` is where limits are set: one of the card, or a new one such as
    "mine=cross_section:10/48000". `jes` is the relative error of the jets' energy. `background` is a folder of
    `hepad analysis background`; `calculator` and `toys` as in `hepad.limit`. As `hepad reinterpret` otherwise.

    `InputDataError` for events that cannot be used, `CardError` for a search that is not there, `UsageError` for
    numbers that stand for nothing.

    >>> import hepad
    >>> found = hepad.reinterpret("examples/data/w_lnu.root", "cms_2019_dijet", cross_section_pb=0.1, max_events=200)
    >>> found.verdict in ("excluded", "not excluded", "cannot say")
    True
    """
    from hepad.cards.bundle import parse_region
    from hepad.pipeline.reinterpret.run import reinterpret as run

    where = None if region is None else parse_region(region) if "=" in region else (region, None)
    options = ReinterpretOptions(
        cross_section_pb=cross_section_pb,
        luminosity_fb=luminosity_fb,
        region=where,
        selection=selection,
        model=model,
        background=None if background is None else Path(background),
        sqrt_s_gev=sqrt_s_gev,
        signal_error=signal_error,
        jes=jes,
        calculator=calculator,
        toys=toys,
        max_events=max_events,
        step_size=step_size,
    )
    return ReinterpretRecord(run(as_files(events), str(analysis), options=options))
