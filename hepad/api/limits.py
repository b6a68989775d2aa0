"""`limit` and `discovery` of numbers, arrays and histograms in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.api.record import Record, Row
from hepad.api.spectra import YieldLike, yields_of
from hepad.errors import UsageError
from hepad.pipeline.discovery import DiscoveryOptions, DiscoveryReport
from hepad.pipeline.limit.result import limit_figure
from hepad.pipeline.limit.run import LimitOptions, LimitReport
from hepad.stats.limits.cls import Calculator, LimitResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DiscoveryRecord", "LimitRecord", "discovery", "draw_limit", "limit", "limit_rows"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class LimitRecord(Record):
    """Upper limits at 95 % CL on the signal strength mu, a multiple of the signal given."""

    report: LimitReport

    @property
    def observed(self) -> float | None:
        """The observed limit on mu; None without data."""
        return self.report.result.observed

    @property
    def expected(self) -> FloatArray:
        """Limits on mu expected without signal, shape (5,): for -2, -1, 0, 1, 2 standard deviations."""
        return self.report.result.expected

    @property
    def observed_pb(self) -> float | None:
        """The observed limit on the cross section in pb; None without data or cross section."""
        section = self.report.cross_section
        return None if section is None or self.observed is None else self.observed * section

    @property
    def calculator(self) -> str:
        """How it was calculated: "exact", "asymptotics" or "toys"."""
        return self.report.result.calculator

    @property
    def result(self) -> LimitResult:
        """All of it: tested mu, CLs there, errors of toys."""
        return self.report.result

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result must know."""
        return self.report.result.warnings

    def to_json(self) -> dict[str, Any]:
        """As `hepad limit --json`."""
        return self.report.to_json()

    def workspace(self) -> dict[str, Any]:
        """The likelihood as a pyhf workspace."""
        from hepad.stats.limits.workspace import build_workspace

        return build_workspace(self.report.model)

    def _remarks(self) -> Sequence[str]:
        return self.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        return "Upper limit on mu at 95 % CL", ["limit", "mu"], limit_rows(self.report.result)

    def _draw(self, ax: Axes) -> None:
        draw_limit(self.report.result, ax)


def limit(
    signal: YieldLike,
    background: YieldLike,
    data: YieldLike | None = None,
    *,
    background_error: float = 0.0,
    signal_error: float = 0.0,
    luminosity_error: float = 0.0,
    cross_section_pb: float | None = None,
    calculator: Calculator = "auto",
    toys: int = 0,
    seed: int = 0,
) -> LimitRecord:
    """An upper limit at 95 % CL (CLs) on a signal in one or many bins.

    `signal`, `background` and `data` are all numbers of events, or all spectra of the same bins: histograms or
    `(values, edges[, variances])` as in `hepad.bumphunt`, or arrays (n,) of counts. Variances of the background are
    those of its finite statistics, one nuisance parameter a bin. Without data only the expected limits exist.

    The errors are relative, log-normal and common to all bins; that of the luminosity acts on the signal only.
    `cross_section_pb` is that of the signal given. `calculator` "auto" takes exact sums for counts in one or a few
    bins, and toys where fewer than about ten events carry the sensitivity of many; `toys` is their number per
    hypothesis and tested mu (0: 10 000), a number asks for toys. As `hepad limit` otherwise.

    `InputDataError` for yields that are negative or not finite, or of no signal; `UsageError` for bins that differ and
    options that do not go together.

    >>> import hepad
    >>> found = hepad.limit(signal=9, background=50, data=55, background_error=0.1)
    >>> round(found.observed, 2), found.expected.round(2).tolist(), found.calculator
    (2.4, [1.04, 1.4, 1.98, 2.8, 3.85], 'asymptotics')
    >>> hepad.limit(signal=9, background=-1)
    Traceback (most recent call last):
    ...
    hepad.errors.InputDataError: background must be finite and not negative, found -1
    """
    from hepad.pipeline.limit.run import limit_of

    given = yields_of(signal=signal, background=background, data=data)
    if given["signal"] is None or given["background"] is None:
        raise UsageError("a limit needs a signal and a background")
    options = LimitOptions(
        background_error=background_error,
        signal_error=signal_error,
        luminosity_error=luminosity_error,
        cross_section=cross_section_pb,
        calculator=calculator,
        toys=toys,
        seed=seed,
    )
    return LimitRecord(limit_of(given["signal"], given["background"], given["data"], options))


@dataclass(frozen=True, repr=False)
class DiscoveryRecord(Record):
    """One row a signal region: `rows[i].limit` on S95, `rows[i].visible_fb`, `rows[i].clb`, `rows[i].excess`."""

    report: DiscoveryReport

    @property
    def rows(self) -> tuple[Any, ...]:
        """The regions (`DiscoveryLimits`) in the order given."""
        return self.report.rows

    def __getitem__(self, name: str) -> Any:
        return next(row for row in self.report.rows if row.name == name)

    def to_json(self) -> dict[str, Any]:
        """As `hepad discovery --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return [f"{row.name}: {text}" for row in self.report.rows for text in row.limit.warnings]

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = []
        for row in self.report.rows:
            p0, z = ("undefined", "") if row.excess is None else row.excess.words()
            rows.append(
                [
                    row.name,
                    f"{row.observed:g}",
                    f"{row.background:g} ± {row.background_error:.3g}",
                    "" if row.visible_fb is None else f"{row.visible_fb:.3g}",
                    f"{row.limit.observed:.3g}",
                    f"{row.limit.expected[2]:.3g}",
                    f"{p0} ({z})" if z else p0,
                ]
            )
        header = ["region", "data", "background", "visible [fb]", "S95 observed", "S95 expected", "p0 (Z)"]
        return "Model-independent limits at 95 % CL", header, rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.channels import ChannelLimit, plot_channels

        rows = [ChannelLimit(row.name, row.limit.expected, row.limit.observed) for row in self.report.rows]
        plot_channels(rows, x_title="95% CL limit on signal events", ax=ax)


def discovery(
    regions: str | Path | Mapping[str, Mapping[str, float]] | None = None,
    *,
    data: float | None = None,
    background: float | None = None,
    background_error: float = 0.0,
    luminosity_fb: float | None = None,
    calculator: Calculator = "auto",
    toys: int = 0,
    seed: int = 0,
) -> DiscoveryRecord:
    """Visible cross section, S95, CLb and discovery p-value of signal regions, as collaborations tabulate them.

    Of one region, `data` and `background` are events and `background_error` is relative. `regions` are several: a card,
    or a mapping of names to `observed`, `background` and `background_error`, this one in events as in a card.
    `luminosity_fb` in fb-1 is for the visible cross section; `calculator` and `toys` as in `hepad.limit`.

    `UsageError` for numbers that are negative or not finite, `CardError` for a mapping that is no card.

    >>> import hepad
    >>> row = hepad.discovery(data=34, background=28, luminosity_fb=139).rows[0]
    >>> round(row.limit.observed, 1), round(row.visible_fb, 3), row.excess.words()
    (17.7, 0.127, ('0.1495', '1.04'))
    """
    from hepad.cards.base import parse_card
    from hepad.cards.regions import RegionsCard
    from hepad.pipeline.discovery import discovery as run
    from hepad.pipeline.discovery import one_region

    if (regions is None) == (data is None) or (regions is None and background is None):
        raise UsageError("give either regions, or data and background of one")
    if regions is not None and (background is not None or background_error):
        raise UsageError("regions have backgrounds and errors of their own")
    options = DiscoveryOptions(luminosity=luminosity_fb, calculator=calculator, toys=toys, seed=seed)
    if regions is None:
        card: Path | RegionsCard = one_region(data or 0.0, background or 0.0, background_error)
    elif isinstance(regions, str | Path):
        card = Path(regions)
    else:
        content = {"schema": "regions/1", "regions": {name: dict(count) for name, count in regions.items()}}
        card = parse_card(RegionsCard, content, "regions")
    return DiscoveryRecord(run(card, options=options))


def limit_rows(result: LimitResult) -> list[tuple[str, str]]:
    """What limit and its value in words, for a table."""
    rows = [] if result.observed is None else [("observed", f"{result.observed:.4g}")]
    names = ("expected -2 sigma", "expected -1 sigma", "expected", "expected +1 sigma", "expected +2 sigma")
    return rows + [(name, f"{value:.4g}") for name, value in zip(names, result.expected, strict=True)]


def draw_limit(result: LimitResult, ax: Axes) -> None:
    """Draw p-values against mu."""
    kind = f"{result.toys} toys" if result.toys else result.calculator
    limit_figure(result, (f"Upper limits at 95% CL, {kind}",), ax=ax)
