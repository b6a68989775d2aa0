"""What each step of a limit of the two-body search costs, from a background that is known exactly to today's limit.

    python benchmarks/bench_search_floor.py OUT... [--regions pb20,pb10] [--channels jb,bb] [--calculator toys]

OUT are folders of `hepad reinterpret --analysis atlas_2023_ad_two_body`, of one signal, whose events are taken
together. Their smoothed spectrum is taken for the true one. Expected limits in pb of a channel:

- `known`: nothing but counts fluctuates, and the background is known in each bin, also where none is simulated;
- `function`: the parameters of its function are free, and masses end with the simulated events;
- `spurious`: the function may fake a signal as well, with the number of parameters that has the smallest limit;
- `response`: how much of a true signal that fit finds with this template, and the effective events that say so;
- `today`: the limit of `hepad reinterpret`, with the response if 9 events say so, else counted above a mass.

`all` takes the nine channels for independent, as if events that they share were other ones; its `today` does not. The
last line takes all of them in each slice of the score between two regions, with backgrounds that are known: what no
analysis of these masses in bins of this score can do better.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import uproot
from rich.console import Console
from rich.table import Table

from hepad.errors import FitFailedError, HepadError
from hepad.pipeline.reinterpret.combine import set_limits
from hepad.pipeline.reinterpret.limits import Inputs, Yield, common_limit, signal_spectrum, with_spurious, within
from hepad.pipeline.reinterpret.measure import Measured
from hepad.samples.sample import weight_sums
from hepad.search.events import CategoryEvents
from hepad.search.expectation import Expectation, Simulated, TooFewError, counted_expectation, simulated_expectation
from hepad.search.search import prepare_search
from hepad.stats.limits.cls import Calculator
from hepad.stats.limits.resonance import ResonanceChannel
from hepad.stats.limits.template_response import Response, template_response

NAME = "atlas_2023_ad_two_body"
STEPS = ("known", "function", "spurious")
_LEAST = 1e-9
"""Events that are expected at least in a bin between others."""

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def inputs_of(
    outputs: Sequence[Path], region: str, calculator: Calculator = "auto", part: slice = slice(None)
) -> Inputs:
    """A part of the events of all outputs as one sample, held against the bundled background in a region, at 1 pb."""
    search = prepare_search(NAME, region=(region, None))
    assert search.card.luminosity is not None
    category = search.categories[0]
    trees = [uproot.open(path / "scores.root")["Scores"] for path in outputs]
    parts = [tree.arrays(filter_name=["weight", "selected", "score_*", "m_*"], library="np") for tree in trees]
    table = {name: np.concatenate([one[name] for one in parts])[part] for name in parts[0]}
    kept = table["selected"].astype(bool)
    events = CategoryEvents(
        np.flatnonzero(kept),
        table["weight"][kept].astype(np.float64),
        {name[6:]: values[kept] for name, values in table.items() if name.startswith("score_")},
        {one.name: table[f"m_{one.name}"][kept].astype(np.float64) for one in category.channels},
    )
    sums = weight_sums(table["weight"].astype(np.float64))
    yields = Yield(
        luminosity_fb=search.card.luminosity.fb,
        reference_pb=1.0,
        signal_error=0.0,
        luminosity_error=search.card.luminosity.relative_error,
        calculator=calculator,
    )
    simulated = Simulated(search.folder / str(search.card.background_events), search)
    return Inputs(Measured(search, sums, sums, {category.name: events}, {}), yields, simulated)


def expected(channels: Iterable[ResonanceChannel], yields: Yield) -> float | None:
    """The median expected limit in pb of channels taken as independent; None without one."""
    try:
        return float(common_limit(list(channels), yields).expected[2])
    except HepadError:
        return None


def expectation_of(inputs: Inputs, name: str, region: str, keep: Mask | None = None) -> Expectation | None:
    """What simulation says of the background, of a fit where it can be fitted; None where it says nothing."""
    assert inputs.simulated is not None
    search = inputs.measured.search
    try:
        return simulated_expectation(inputs.simulated, search, name, region, keep)
    except TooFewError:
        return None if keep is not None else counted_expectation(inputs.simulated, search, name, region)
    except FitFailedError:
        return None


def rungs(inputs: Inputs, name: str, region: str) -> tuple[dict[str, ResonanceChannel], Response | None]:
    """The channel as each step of the ladder sees it, and the response: no fit where there is too little for one."""
    measured = inputs.measured
    category = measured.search.categories[0]
    events, own = measured.events[category.name], measured.search.channel(name)
    mask = events.inside(category, region) & within(events.masses[name], own.edges)
    signal, sample, _ = signal_spectrum(inputs, name, own.edges, (category, mask))
    expectation = expectation_of(inputs, name, region)
    if expectation is None or expectation.background is None or signal.sum() <= 0:
        return {}, None
    found = {"known": known(name, own.edges, signal, expectation.background)}
    if expectation.variances is None:  # for counts alone
        return found, None
    bins = int(np.searchsorted(own.edges, expectation.reach))
    cut = ResonanceChannel(
        name=name,
        edges=own.edges[: bins + 1],
        signal=signal[:bins],
        signal_variances=np.zeros(bins),
        function=own.functions[0],
        background=expectation.background[:bins],
    )
    found["function"] = cut
    choices = [
        with_spurious(inputs, replace(cut, function=function), expectation.alternative)
        for function in expectation.orders or own.functions[:1]
    ]
    limits = [expected([one], inputs.yields) for one in choices]
    best = min((limit, place) for place, limit in enumerate(limits) if limit is not None)
    found["spurious"] = choices[best[1]]
    return found, template_response([found["spurious"]], [sample])


def known(name: str, edges: FloatArray, signal: FloatArray, background: FloatArray) -> ResonanceChannel:
    """A channel whose background is known, up to the last bin in which any is expected."""
    last = int(np.flatnonzero(background > 0)[-1]) + 1
    filled = np.maximum(background[:last], _LEAST)
    return ResonanceChannel(name, edges[: last + 1], signal[:last], np.zeros(last), None, filled)


def ladder(inputs: Inputs, region: str, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """By channel, and for `all`, its acceptance, the limit in pb at each step, and what the response is."""
    bare = replace(inputs.yields, luminosity_error=0.0)
    steps = {name: rungs(inputs, name, region) for name in names}
    every = {step: [own[step] for own, _ in steps.values() if step in own] for step in STEPS}
    found = {name: {step: expected([one], bare) for step, one in own.items()} for name, (own, _) in steps.items()}
    found["all"] = {step: expected(channels, bare) for step, channels in every.items()}
    limits = set_limits(replace(inputs, yields=replace(inputs.yields, calculator="auto")))
    for name in names:
        limit, response = limits.channels[name], steps[name][1]
        found[name]["acceptance"] = limit.acceptance.value
        if response is not None:
            found[name]["response"], found[name]["effective"] = response.value, response.effective
        found[name]["today"] = None if limit.result is None else float(limit.result.expected[2])
    combined = limits.combined.result
    found["all"]["acceptance"] = inputs.measured.acceptance(region).value
    found["all"]["today"] = None if combined is None else float(combined.expected[2])
    return found


def sliced(inputs: Inputs, regions: Sequence[str], names: Sequence[str]) -> list[ResonanceChannel]:
    """All channels in what each region has and the next tighter one has not, with backgrounds that are known."""
    assert inputs.simulated is not None
    category = inputs.measured.search.categories[0]
    events, found = inputs.measured.events[category.name], []
    for region, tighter in zip(regions, [*regions[1:], None], strict=True):
        mine, keep = events.inside(category, region), None
        if tighter is not None:
            mine &= ~events.inside(category, tighter)
            inside = inputs.simulated.inside(category, tighter)
            assert inside is not None
            keep = ~inside
        for name in names:
            edges = inputs.measured.search.channel(name).edges
            mask = mine & within(events.masses[name], edges)
            signal, _, _ = signal_spectrum(inputs, name, edges, (category, mask))
            expectation = expectation_of(inputs, name, region, keep)
            if signal.sum() > 0 and expectation is not None and expectation.background is not None:
                found.append(known(f"{name} {region}", edges, signal, expectation.background))
    return found


def _shown(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:.3g}"


def main() -> None:
    """Print a table for each region."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outputs", nargs="+", type=Path, metavar="OUT")
    parser.add_argument("--regions", default="pb20,pb10,pb1")
    parser.add_argument("--channels", help="some of them")
    parser.add_argument("--calculator", default="auto", choices=("auto", "asymptotic", "toys"), help="not of today")
    arguments = parser.parse_args()
    card = prepare_search(NAME).card
    names = arguments.channels.split(",") if arguments.channels else list(card.channels)
    console = Console(width=100)
    for region in arguments.regions.split(","):
        inputs = inputs_of(arguments.outputs, region, arguments.calculator)
        table = Table(title=f"Expected limits in pb, {region}, {inputs.measured.generated.events} events of signal")
        for name in ("channel", "acceptance", *STEPS, "response", "today"):
            table.add_column(name)
        for name, own in ladder(inputs, region, names).items():
            response = f"{own['response']:.2f} by {own['effective']:.1f}" if "response" in own else ""
            known_to, *fits, today = (_shown(own.get(step)) for step in (*STEPS, "today"))
            table.add_row(name, f"{own['acceptance']:.4f}", known_to, *fits, response, today)
        console.print(table)
    bare = replace(inputs.yields, luminosity_error=0.0)
    print(f"known, all slices of the score: {expected(sliced(inputs, card.regions, names), bare):.3g} pb")


if __name__ == "__main__":
    main()
