"""The figures of a reinterpretation, by name, and what each shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.citation import experiment, source_of
from hepad.cards.search import ALL
from hepad.output.figure_context import SIMULATION, FigureContext
from hepad.output.figure_kinds import figure_titles, title_of
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.points import Curve
from hepad.pipeline.reinterpret.reasons import Cause
from hepad.pipeline.reinterpret.rows import shared
from hepad.search.spectra import fill_spectrum

if TYPE_CHECKING:
    import hist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hepad.stats.limits.limits import LimitResult

__all__ = ["draw_answer", "figures", "signal_histograms"]

FloatArray = npt.NDArray[np.float64]


def signal_histograms(answer: Answer) -> dict[str, hist.Hist[Any]]:
    """The signal's spectra in all regions, `<channel>_<region>`: events at the luminosity and cross section.

    Without a cross section they are for 1 pb. With a smooth background `<channel>_<region>_background` is there too.
    """
    found: dict[str, hist.Hist[Any]] = {}
    search, limits = answer.search, answer.limits
    if limits is None:
        return found
    scale = limits.inputs.yields.events / answer.measured.generated.weight
    for category in search.categories:
        events = answer.measured.events[category.name].scaled(scale)
        for channel in category.channels:
            for region in search.regions:
                name = f"{channel.name}_{region}"
                found[name] = fill_spectrum(events, category, channel.name, region, channel.edges)
            expectation = limits.channels[channel.name].expectation
            if expectation is not None and expectation.background is not None:
                empty: hist.Hist[Any] = found[f"{channel.name}_{ALL}"].copy()
                empty[...] = np.stack([expectation.background, np.zeros(len(expectation.background))], axis=-1)
                found[f"{channel.name}_{search.signal_region}_background"] = empty
    return found


def figures(answer: Answer, curve: Curve | None, spectra: dict[str, hist.Hist[Any]]) -> dict[str, tuple[Figure, str]]:
    """All figures that the answer has numbers for, with their captions."""
    drawn = {"cutflow": _cutflow(answer)}
    for category in answer.search.categories:
        if category.bundle is not None:
            suffix = "" if len(answer.search.categories) == 1 else f"_{category.name}"
            drawn[f"scores{suffix}"] = _scores(answer, category.name)
    if answer.limits is not None and answer.search.card.channels:
        drawn["spectra"] = _spectra(answer, spectra)
        drawn |= {f"fit_{name}": figure for name, figure in _fits(answer).items()}
    if answer.limits is not None and answer.search.card.simultaneous is not None:
        drawn |= _yields(answer)
    if answer.limits is not None and any(limit.result for limit in answer.limits.channels.values()):
        drawn["limits"] = _limits(answer)
    if curve is not None:
        drawn["exclusion"] = _exclusion(curve)
    return drawn


def _context(answer: Answer, *, events: bool = True, data: bool = False) -> FigureContext:
    """The search and whose it is; `events` of its luminosity, with its `data`, or the signal's own fractions."""
    card = answer.search.card
    source, whose = source_of(card.reference), experiment(card.reference)
    return FigureContext(
        label="" if data else SIMULATION,
        experiment=whose if data else "",
        sqrt_s=card.sqrt_s_gev / 1000,
        luminosity=answer.limits.inputs.yields.luminosity_fb if events and answer.limits is not None else None,
        process=title_of("signal") if "signal" in figure_titles() else "",
        search=", ".join(filter(None, (whose, source))),
        searcher=whose,
        source=source if data else "",
    )


def _cutflow(answer: Answer) -> tuple[Figure, str]:
    from hepad.plot.search import cutflow_figure

    measured, search = answer.measured, answer.search
    flows, background = {}, {}
    for category in search.categories:
        rows: list[tuple[str, float, float]] = []
        steps = measured.flows[category.name].steps
        for step, (value, error) in zip(steps, measured.fractions(category.name), strict=True):
            rows.append((step.name, value, error))
        for region in (name for name in search.regions if name != ALL):
            fraction = measured.acceptance(region, category.name)
            rows.append((f"region {region}", fraction.value, fraction.error))
        title = category.card.title if len(search.categories) == 1 else category.name
        flows[title] = rows
        selected = measured.acceptance(ALL, category.name).value
        background[title] = {
            f"region {name}": selected * region.efficiency
            for name, region in category.regions.items()
            if region.efficiency is not None
        }
    same = shared(list(flows.values()))
    if len(flows) > 1 and same > 1 and not any(background.values()):  # one panel, what all begin with once
        own = [(f"{name}: {step}", value, error) for name, flow in flows.items() for step, value, error in flow[same:]]
        flows = {"all": [*next(iter(flows.values()))[:same], *own]}
    figure = cutflow_figure(flows, background=background, context=_context(answer, events=False))
    caption = "Fraction of all generated events after each step of the selection and in each region"
    marked = "; a diamond is what would be left if the score saw background in the selected events."
    return figure, caption + (marked if any(background.values()) else ".")


def _scores(answer: Answer, name: str) -> tuple[Figure, str]:
    from hepad.plot.search import score_figure

    category = next(c for c in answer.search.categories if c.name == name)
    assert category.bundle is not None  # noqa: S101  asked of categories with a model only
    score = category.bundle.card.scores[0]
    events = answer.measured.events[name]
    table = category.bundle.quantiles[score]
    figure = score_figure(
        score,
        (events.scores[score].astype(np.float64), events.weight),
        None if table is None else (table.threshold, table.efficiency),
        thresholds={region: cut.threshold for region, cut in category.regions.items() if cut.score == score},
        context=_context(answer, events=False),
    )
    caption = "Fraction of selected events with at least that score; the lines are the thresholds of the regions."
    return figure, caption


def _spectra(answer: Answer, spectra: dict[str, hist.Hist[Any]]) -> tuple[Figure, str]:
    from hepad.plot.search import SpectrumPanel, spectra_figure

    assert answer.limits is not None  # noqa: S101  there are spectra with limits only
    region, panels = answer.search.signal_region, []
    for name, limit in answer.limits.channels.items():
        if f"{name}_{ALL}" not in spectra:
            continue
        expectation = limit.expectation
        variances = None if expectation is None else expectation.variances
        panels.append(
            SpectrumPanel(
                title=answer.search.card.channels[name].title,
                edges=limit.edges,
                before=None if region == ALL else np.asarray(spectra[f"{name}_{ALL}"].values(), dtype=np.float64),
                after=np.asarray(spectra[f"{name}_{region}"].values(), dtype=np.float64),
                background=limit.background,
                simulated=None if expectation is None else expectation.simulated,
                errors=None if variances is None else np.sqrt(variances),
                observed=None if expectation is None else expectation.observed,
            )
        )
    yields = answer.limits.inputs.yields
    caption = (
        f"The spectra before and after region {region}, in events at {yields.luminosity_fb:g} fb-1 for a cross section "
        f"of {yields.reference_pb:.3g} pb, with the background expected in the region where there is one."
    )
    figure = spectra_figure(
        panels,
        region="" if region == ALL else region,
        signal=f"Signal, {yields.reference_pb:.3g} pb",
        context=_context(answer, data=any(panel.observed is not None for panel in panels)),
    )
    return figure, caption


def _yields(answer: Answer) -> dict[str, tuple[Figure, str]]:
    """The bins that are fitted together, with the signal in them; nothing without yields of the background."""
    from hepad.plot.yields import plot_yields
    from hepad.search.together import bin_label, fitted_bins

    fitted = fitted_bins(answer.search)
    if fitted is None or answer.limits is None:
        return {}
    yields, parts = answer.limits.inputs.yields, list(fitted.bins.values())
    processes = {
        name: np.array([part.background.get(name, (0.0, 0.0))[0] for part in parts]) for name in fitted.processes
    }
    counts = [part.observed for part in parts if part.observed is not None]
    figure = plot_yields(
        [bin_label(one) for one in fitted.bins],
        processes,
        np.array([part.error for part in parts]),
        signal=np.array([float(answer.limits.channels[bin_label(one)].signal[0]) for one in fitted.bins]),
        signal_label=f"Signal, {yields.reference_pb:.3g} pb",
        observed=np.array(counts) if fitted.has_data else None,
        context=_context(answer, data=fitted.has_data),
    )
    caption = (
        "Events expected in each bin by process, before the fit, with the statistical error of the simulation, and the "
        "signal. Below: the distance of the data from the background, or without data the size of the signal, over the "
        "square root of background and squared error."
    )
    return {"yields": (figure, caption)}


def _fits(answer: Answer) -> dict[str, tuple[Figure, str]]:
    """The observed spectra with the fit of the background alone, their pulls, and the signal on top."""
    from hepad.plot.spectrum import plot_spectrum
    from hepad.stats.counts.poisson import signed_root

    assert answer.limits is not None  # noqa: S101  there are spectra with limits only
    yields, found = answer.limits.inputs.yields, {}
    for name, limit in answer.limits.channels.items():
        observed = None if limit.expectation is None else limit.expectation.observed
        background = limit.background
        if observed is None or background is None:
            continue
        label = f"Signal, {yields.reference_pb:.3g} pb"
        figure = plot_spectrum(
            limit.edges,
            observed,
            background,
            pulls=signed_root(observed, background),
            background_label="Fit of the background",
            signal=limit.signal,
            signal_label=label,
            x_title=f"{answer.search.card.channels[name].title} [GeV]",
            context=_context(answer, data=True),
        )
        caption = f"Observed spectrum of {name}, fit without signal, and the signal at {yields.reference_pb:.3g} pb."
        found[name] = figure, caption
    return found


def draw_answer(answer: Answer, curve: Curve | None, ax: Axes) -> None:
    """The figure that says most on axes: the exclusion curve, the limits, or what each region keeps."""
    if curve is not None:
        _exclusion(curve, ax)
    elif answer.limits is not None and any(limit.result for limit in answer.limits.channels.values()):
        _limits(answer, ax)
    else:
        from hepad.plot.search import draw_flow

        kept = {region: answer.measured.acceptance(region) for region in answer.search.regions}
        draw_flow(ax, [(region, fraction.value, fraction.error) for region, fraction in kept.items()])
        ax.set_xlabel("Fraction of all generated events")


def _limits(answer: Answer, ax: Axes | None = None) -> tuple[Figure, str]:
    from hepad.plot.channels import ChannelLimit, plot_channels

    assert answer.limits is not None  # noqa: S101  the caller has looked
    yields, combined = answer.limits.inputs.yields, answer.limits.combined
    titles = {name: channel.title for name, channel in answer.search.card.channels.items()}

    def row(title: str, result: LimitResult | None, signal: float = 1.0) -> ChannelLimit:
        if result is None:
            return ChannelLimit(title, None, remark="no limit" if signal > 0 else "no signal")
        observed = None if result.observed is None else result.observed * yields.reference_pb
        return ChannelLimit(title, result.expected * yields.reference_pb, observed)

    together = answer.search.card.simultaneous is not None
    where = "All bins" if together else f"Region {answer.search.signal_region}"
    rows = [
        row(titles.get(name, name), limit.result, limit.signal.sum())
        for name, limit in answer.limits.channels.items()
        if limit.reason is None or limit.reason.cause is not Cause.CONTROL
    ]
    several = len(rows) > 1  # else the only one would be drawn twice
    together_title = "Combined" if len(combined.channels) != 1 else "Best channel"
    figure = plot_channels(
        rows,
        combined=row(together_title, combined.result) if several else None,
        theory_pb=answer.cross_section_pb,
        theory_label="Signal",
        remarks=(where,),
        context=_context(answer, data=combined.result is not None and combined.result.observed is not None),
        ax=ax,
    )
    every = ", channel by channel and combined" if several else ""
    return figure, f"Upper limits at 95 % CL on the cross section of the signal{every}."


def _exclusion(curve: Curve, ax: Axes | None = None) -> tuple[Figure, str]:
    from hepad.plot.exclusion import plot_exclusion

    ranges = curve.excluded_expected if curve.excluded_observed is None else curve.excluded_observed
    observed = np.array([np.nan if p.observed_pb is None else p.observed_pb for p in curve.points])
    figure = plot_exclusion(
        np.array([point.point.mass_gev for point in curve.points]),
        np.array([point.expected_pb or [np.nan] * 5 for point in curve.points]),
        observed=None if curve.excluded_observed is None else observed,
        theory=np.array([point.answer.cross_section_pb for point in curve.points], dtype=np.float64),
        theory_label="Model",
        excluded=[(one.low, one.high) for one in ranges],
        excluded_label="Excluded" if curve.excluded_observed is not None else "Expected to be excluded",
        context=_context(curve.points[0].answer, data=curve.excluded_observed is not None),
        ax=ax,
    )
    return figure, "Upper limits at 95 % CL against the mass, and the cross section of the model."
