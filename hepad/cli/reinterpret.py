"""`hepad reinterpret`: a signal against a published search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.progress import Count, counts

if TYPE_CHECKING:
    from hepad.cards.analysis import RegionSpec
    from hepad.pipeline.reinterpret.every import Ranking
    from hepad.pipeline.reinterpret.hunted import HuntedOptions
    from hepad.pipeline.reinterpret.points import Point
    from hepad.pipeline.reinterpret.report import CurveRow, SampleRow
    from hepad.pipeline.reinterpret.rows import CombinedRow, SearchRow, VerdictRow
    from hepad.pipeline.reinterpret.run import ReinterpretOptions, ReinterpretReport

__all__ = ["reinterpret"]


def reinterpret(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Event files of one signal sample; globs are expanded, '-' reads names from stdin.",
            show_default=False,
        ),
    ] = None,
    analysis: Annotated[
        str,
        typer.Option("--analysis", "-a", help="A search or a hunt ('hepad list'), a card, or all.", show_default=False),
    ] = ...,  # type: ignore[assignment]
    xsec: Annotated[
        float | None, typer.Option("--xsec", help="Cross section of the signal in pb.", show_default="the files'")
    ] = None,
    luminosity: Annotated[
        float | None, typer.Option("--luminosity", help="In fb-1, in place of the search's.", show_default="the card's")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", help="Where limits are set: a region of the card, or NAME=cross_section:OUT/IN, ..."),
    ] = None,
    selection: Annotated[
        str | None, typer.Option("--selection", "-s", help="Another selection.", show_default="the card's")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model or bundle.", show_default="the card's")
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(
            "--background",
            help="Folder of 'hepad analysis background'; of a hunt files of simulation, a glob say.",
            show_default="the card's",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Of a hunt; may be repeated.", show_default="the card's"),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", help="Of a hunt: how mock data are made.", show_default="the study that names it"),
    ] = None,
    sqrt_s: Annotated[
        float | None, typer.Option("--sqrt-s", help="Collision energy of the sample in GeV.", show_default="the files'")
    ] = None,
    signal_error: Annotated[
        float | None,
        typer.Option("--signal-error", min=0.0, help="Relative uncertainty of the signal.", show_default="the card's"),
    ] = None,
    jes: Annotated[
        float,
        typer.Option("--jes", min=0.0, help="Relative error of the jets' energy: shift them and look."),
    ] = 0.0,
    calculator: common.CalculatorOption = "auto",
    toys: Annotated[
        int,
        typer.Option("--toys", min=0, help="Pseudo-experiments; a number asks for toys.", show_default="1000"),
    ] = 0,
    point: Annotated[
        list[str] | None,
        typer.Option("--point", help="MASS=FILE or MASS=FILE@XSEC (GeV, pb), may be repeated: an exclusion curve."),
    ] = None,
    points: Annotated[
        Path | None, typer.Option("--points", help="The same as CSV: mass_gev,file,cross_section_pb.")
    ] = None,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    output: common.Output = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Is my model excluded? Acceptance, spectra and limits of a signal in a published search.

    Example: hepad reinterpret examples/data/wprime_xy_3p5tev.root --analysis cms_2019_dijet --xsec 0.05 -o out
    """
    from hepad.cards.hunt import is_hunt

    if is_hunt(analysis):
        from hepad.pipeline.reinterpret.hunted import HuntedOptions

        of_hunt = HuntedOptions(
            background=() if background is None else (str(background),),
            output=output,
            cross_section_pb=xsec,
            methods=method or [],
            study=study,
            step_size=step_size,
            execution=common.execution(workers),
        )
        _hunt(files or [], analysis, of_hunt, json=json)
        return
    from hepad.pipeline.reinterpret.run import ReinterpretOptions, ReinterpretReport

    with counts("reading") as (events,):
        options = ReinterpretOptions(
            output=output,
            cross_section_pb=xsec,
            luminosity_fb=luminosity,
            model=model,
            selection=selection,
            region=_region(region),
            background=background,
            sqrt_s_gev=sqrt_s,
            signal_error=signal_error,
            jes=jes,
            calculator=calculator,
            toys=toys,
            points=_points(point, points),
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=events.add,
        )
        report = _asked(files or [], analysis, options, events)
    if not isinstance(report, ReinterpretReport):
        _say_ranking(report, json=json)
        return
    common.print_warnings(report.result.warnings)
    common.print_made(report, lambda: _print(report), json=json)


def _asked(files: list[str], analysis: str, options: ReinterpretOptions, events: Count) -> ReinterpretReport | Ranking:
    """Hold files against the search, or against all; of these it is said which one counts its `events`."""
    if analysis == "all":
        from hepad.pipeline.reinterpret.every import reinterpret_every

        def on_search(name: str, place: int, of: int) -> None:
            events.set(0, what=f"{name}, search {place} of {of}")

        return reinterpret_every(files, options=options, on_search=on_search)
    from hepad.pipeline.reinterpret.run import reinterpret as run

    return run(files, analysis, options=options)


def _say_ranking(ranking: Ranking, *, json: bool) -> None:
    common.print_warnings(ranking.warnings)
    if json:
        common.print_json(ranking.to_json())
    else:
        _print_ranking(ranking)
    common.print_skipped(ranking.skipped)


def _print_ranking(ranking: Ranking) -> None:
    from hepad.pipeline.reinterpret.every import HEADER, ranked_cells, without_hints

    common.print_table(
        "Searches by expected limit at 95 % CL", list(HEADER), [ranked_cells(row) for row in ranking.rows]
    )
    reasons, hints = without_hints(ranking.left_out)
    for name, why in reasons.items():
        _say(f"left out: {name}: {why}")
    for hint in hints:
        _say(hint)
    _say(ranking.verdict())
    common.say_wrote(ranking.output)


def _hunt(files: list[str], analysis: str, options: HuntedOptions, *, json: bool) -> None:
    """Hold files against a hunt, whose methods learn from data."""
    from hepad.pipeline.reinterpret.hunted import reinterpret_hunt
    from hepad.pipeline.reinterpret.hunted_page import HEADER, method_cells

    with counts("points") as (points,):
        report = reinterpret_hunt(files, analysis, options=replace(options, on_point=points.set))
    if json:
        common.print_json(report.to_json())
        return
    below, low, high, above = report.window_gev
    title = (
        f"{analysis}, window {low:g}:{high:g} in {below:g}:{above:g} GeV, mock data of {report.luminosity_fb:.3g}/fb"
    )
    common.print_table(title, list(HEADER), [method_cells(row) for row in report.methods])
    _say(f"{report.share:.1%} of all events of the files reach the hunt; their mass peaks at {report.peak_gev:.0f} GeV")
    for what, why in report.results.failed.items():
        _say(f"left out: {what}: {why}")
    _say(report.verdict())
    common.say_wrote(options.output)


def _region(text: str | None) -> tuple[str, RegionSpec | None] | None:
    if text is None:
        return None
    if "=" not in text:
        return text, None
    from hepad.cards.bundle import parse_region

    return parse_region(text)


def _points(texts: list[str] | None, table: Path | None) -> tuple[Point, ...]:
    if not texts and table is None:
        return ()
    from hepad.pipeline.reinterpret.points import parse_point, read_points

    return (*(parse_point(text) for text in texts or []), *(read_points(table) if table else []))


def _print(report: ReinterpretReport) -> None:
    result = report.result
    if result.curve is not None:
        _print_points(result.curve)
    else:
        _print_sample(result.search, result.sample)
    if not report.complete_before:
        common.say_wrote(report.output)


def _print_points(curve: CurveRow) -> None:
    from hepad.pipeline.reinterpret.words import mass_ranges, percent

    rows = []
    for point in curve.points:
        acceptance, sample = point.acceptance, point.sample
        numbers = (sample.cross_section_pb, sample.limit.expected, sample.limit.observed)
        rows.append(
            [
                f"{point.mass_gev:g}",
                f"{acceptance.value:.2%}" if acceptance.events else f"below {percent(acceptance.upper_95)}",
                *("none" if number is None else f"{number:.4g}" for number in numbers),
                sample.verdict.status,
            ]
        )
    header = ["mass [GeV]", "acceptance", "cross section", "expected", "observed", "verdict"]
    common.print_table("Cross sections and limits at 95 % CL [pb]", header, rows)
    for point in curve.points:
        if point.sample.verdict.status == "cannot say":
            _print_verdict(point.sample.verdict, f"{point.mass_gev:g} GeV: ")
    if curve.excluded_observed_gev is not None:
        _say(f"expected to be excluded: {mass_ranges(curve.excluded_expected_gev) or 'nothing'}")
    _print_verdict(curve.verdict)


def _print_sample(search: SearchRow, sample: SampleRow) -> None:
    from hepad.objects.cutflow import CutFlow
    from hepad.pipeline.reinterpret.rows import told_once
    from hepad.pipeline.reinterpret.words import fraction, jets_words

    selections = set(search.selections.values())
    if len(selections) == 1:
        steps = tuple(replace(row.step, name=name) for name, row in told_once(sample.cutflow))
        common.print_cutflow(CutFlow(steps), *selections)
    else:
        for category, selection in search.selections.items():
            steps = tuple(row.step for row in sample.cutflow if row.category == category)
            common.print_cutflow(CutFlow(steps), f"{selection}, {category}")
    rows = [
        [
            name,
            f"{found.events}",
            fraction(found),
            "" if found.model_error is None or not found.events else f"{found.model_error:.2%}",
        ]
        for name, found in sample.acceptance.items()
    ]
    common.print_table("Acceptance", ["region", "events", "of all generated", "model error"], rows)
    if sample.jets is not None:
        _say(jets_words(sample.jets, search.signal_region))
    if sample.channels and sample.combined is not None:
        _print_limits(search.signal_region, sample, sample.combined)
    _print_verdict(sample.verdict)


def _print_limits(region: str, sample: SampleRow, combined: CombinedRow) -> None:
    from hepad.pipeline.reinterpret.words import counted_words, others_words

    rows = []
    own = [(name, one.expected_events, one.background_events, one.limit) for name, one in sample.channels.items()]
    for name, events, background, limit in (*own, ("combined", None, None, combined.limit)):
        band, observed = limit.band, limit.observed
        rows.append(
            [
                name,
                "" if events is None else f"{events:.4g}",
                *([] if not sample.binned else ["" if background is None else f"{background:.4g}"]),
                "none" if band is None else f"{band[2]:.4g} ({band[1]:.3g} to {band[3]:.3g})",
                "none" if observed is None else f"{observed:.4g}",
            ]
        )
    title = "Limits of all bins at 95 % CL [pb]" if sample.binned else f"Limits in region {region} at 95 % CL [pb]"
    more = ["background"] if sample.binned else []
    common.print_table(title, ["channel", "signal events", *more, "expected", "observed"], rows)
    if combined.channels:  # else the verdict says why
        for group in sample.no_limit:
            _say(f"no limit: {group.reason.text}")
        if counted := counted_words(sample.channels):
            _say(counted)
        _say(f"combined: {combined.method}; from {combined.limit.calculator_reason}")
        if combined.alternatives:
            _say(f"combined, otherwise: {others_words(combined.alternatives)}")


def _print_verdict(verdict: VerdictRow, before: str = "") -> None:
    _say(f"{before}{verdict.status}: {verdict.reason}")
    if verdict.help:
        _say(f"{before}what helps: {verdict.help}")


def _say(text: str) -> None:
    common.stdout().print(text)
