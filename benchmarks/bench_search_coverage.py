"""How often the limits of the two-body search exclude a true signal: at most 5 % is promised.

    python benchmarks/bench_search_coverage.py [--experiments N] [--mass GEV] [--width W] [--tail] [--events M]
        [--region NAME] [--channels jj,jb] [--best | --far]

Counts are drawn from the bundled background, as its first function describes it and as its second does, and a
signal, Gaussian in ln m or, with `--tail`, from the mass on with a part of (m / GEV)^(-1 / W) above m, at its
expected limit. The limit is that of `hepad reinterpret`: of the fit whose function has the smallest expected one,
with its spurious signal as an error. With `--events` the shape of the signal is known from so many simulated events
in the mean, drawn anew for each experiment; where the fit finds too little of it, or expects less of it, events
above a mass are counted. `--best` adds what the choice of the best channel by its expected limit does: an experiment
of each channel is drawn again and again, and the one counts whose limit is lowest compared with the median of its own
channel, as if all channels were equally good, where samples that fluctuated decide most often. `--far` asks instead, of
counts alone, how often a signal far above its limit is excluded: where no background hides it, and what is observed
hardly fluctuates, that is whether its part above the mass is known as well as its error says.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr

from hepad.errors import FitFailedError
from hepad.pipeline.reinterpret.limits import FEWEST_COUNTED, FEWEST_EVENTS
from hepad.pipeline.reinterpret.systematics import spurious_events
from hepad.search.channels import Channel
from hepad.search.expectation import Expectation, Simulated, TooFewError, counted_expectation, simulated_expectation
from hepad.search.search import Search, prepare_search
from hepad.stats.fits.templates import kernel_template
from hepad.stats.limits.cls import ALPHA, asymptotic_cls
from hepad.stats.limits.plain_count import PlainCount, best_count, plain_limit
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel, resonance_limits
from hepad.stats.limits.template_response import SignalEvents, template_response

NAME = "atlas_2023_ad_two_body"
_FAR = 1e7
"""Events of a signal far above its limit."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A channel ready for its fit: the expected limit, in events of the template, and the signal's relative error."""

    channel: ResonanceChannel
    error: float
    limit: float

    def excludes(self, events: float, counts: FloatArray) -> bool:
        """Whether counts (n,) exclude so many events."""
        model = ResonanceModel([replace(self.channel, background=None, observed=counts)], self.error)
        mu = events / model.scale
        return bool(asymptotic_cls(model.data(mu), model.posterior(mu)) < ALPHA)


def best_fit(expected: Expectation, channel: Channel, template: FloatArray, sample: SignalEvents | None) -> Fit | None:
    """The fit with the smallest expected limit; None if its response rests on too few events."""
    bins = int(np.searchsorted(channel.edges, expected.reach))
    edges, shape = channel.edges[: bins + 1], template[:bins]
    assert expected.background is not None
    found = []
    for function in expected.orders or channel.functions[:1]:
        own = ResonanceChannel(channel.name, edges, shape, 0 * shape, function, expected.background[:bins])
        if expected.alternative is not None:
            own = replace(own, spurious=spurious_events(edges, expected.alternative[:bins], shape, function))
        error = 0.0
        if sample is not None:
            response = template_response([own], [sample])
            if response.effective < FEWEST_EVENTS:
                return None
            own, error = replace(own, signal=response.value * shape), response.error
        found.append(Fit(own, error, float(resonance_limits([own], signal_error=error).expected[2])))
    return min(found, key=lambda one: one.limit)


def shape_of(arguments: argparse.Namespace, edges: FloatArray) -> FloatArray:
    """The parts (n,) of the true signal in the bins."""
    away = (np.log(edges) - math.log(arguments.mass)) / arguments.width
    return np.asarray(np.diff(-np.expm1(-np.maximum(away, 0.0)) if arguments.tail else ndtr(away)))


def sample_of(arguments: argparse.Namespace, rng: np.random.Generator) -> SignalEvents:
    """Simulated events of the signal, as many as are asked for in the mean, with weights of one over that."""
    many = rng.poisson(arguments.events)
    away = rng.exponential(size=many) if arguments.tail else rng.normal(size=many)
    masses = np.exp(math.log(arguments.mass) + arguments.width * away)
    return SignalEvents(masses, np.full(many, 1 / arguments.events))


def count_of(expected: Expectation, channel: Channel, sample: SignalEvents) -> PlainCount | None:
    """The count above a mass that a sample chooses."""
    backgrounds = [one for one in (expected.background, expected.alternative) if one is not None]
    below = math.inf if expected.reach is None else expected.reach
    return best_count(channel.edges, backgrounds, sample, fewest=FEWEST_COUNTED, below=below)


def expectation_of(
    simulated: Simulated, search: Search, channel: Channel, region: str
) -> tuple[Expectation | None, str]:
    """The background, for counts alone if there is a reason why it cannot be fitted; None without any."""
    try:
        return simulated_expectation(simulated, search, channel.name, region), ""
    except TooFewError as error:
        few = f"{error.effective:.1f} of {error.needed:g} needed"
        return counted_expectation(simulated, search, channel.name, region), few


def print_far(arguments: argparse.Namespace, simulated: Simulated, search: Search, channels: list[Channel]) -> None:
    """How many samples' counts exclude a signal far above the limit."""
    if not arguments.events:
        raise SystemExit("--far is of counts, which need --events")
    rng = np.random.default_rng(6)
    excluded = made = 0
    for channel in channels:
        shape = shape_of(arguments, channel.edges)
        expected, _ = expectation_of(simulated, search, channel, arguments.region)
        if expected is None:
            continue
        for _ in range(arguments.experiments):
            count = count_of(expected, channel, sample_of(arguments, rng))
            if count is not None:
                made += 1
                seen = _FAR * float(shape[channel.edges[:-1] >= count.above].sum())
                limit = plain_limit(count.signal, count.effective, 0.0, observed=seen).observed
                excluded += limit is not None and limit < _FAR
    print(f"far above the limit: {excluded / made:.3f} of {made} excluded")


def experiments(
    arguments: argparse.Namespace, expected: Expectation, channel: Channel, truth: FloatArray, *, fitted: bool
) -> Iterator[tuple[str, float, bool]]:
    """How each limit was made, its expectation in events, and whether it excludes them."""
    rng = np.random.default_rng(6)
    shape = shape_of(arguments, channel.edges)
    known = best_fit(expected, channel, shape, None) if fitted and not arguments.events else None
    for _ in range(arguments.experiments):
        fit, count = known, None
        if arguments.events:
            sample = sample_of(arguments, rng)
            if len(sample.masses) < FEWEST_COUNTED:
                continue
            template = kernel_template(channel.edges, sample.masses, sample.weights)
            fit = best_fit(expected, channel, template, sample) if fitted else None
            count = count_of(expected, channel, sample)
        if count is not None and (fit is None or count.result.expected[2] < fit.limit):
            events = float(count.result.expected[2])
            seen = float(rng.poisson(truth + events * shape)[channel.edges[:-1] >= count.above].sum())
            limit = plain_limit(count.signal, count.effective, 0.0, observed=seen).observed
            yield "count", events, limit is not None and limit < events
        elif fit is not None:
            counts = rng.poisson(truth + fit.limit * shape)[: len(fit.channel.signal)].astype(float)
            try:
                yield "fit", fit.limit, fit.excludes(fit.limit, counts)
            except FitFailedError:
                continue


def of_the_best(found: dict[str, list[tuple[float, bool]]], draws: int = 20_000) -> tuple[float, float, float]:
    """How often the best of all channels excludes, its error, and its limit over the median of its channel."""
    rng = np.random.default_rng(9)
    limits = np.full((len(found), draws), np.inf)
    excluded = np.zeros((len(found), draws), dtype=bool)
    places = np.zeros((len(found), draws), dtype=np.int64)
    for row, own in enumerate(found.values()):
        values = np.array([events for events, _ in own])
        places[row] = rng.integers(len(own), size=draws)
        limits[row] = values[places[row]] / np.median(values)
        excluded[row] = np.array([one for _, one in own])[places[row]]
    best = limits.argmin(axis=0)
    column = np.arange(draws)
    share = float(excluded[best, column].mean())
    # As few experiments as there are behind the draws: an experiment that is drawn often counts as one.
    _, times = np.unique(best * 1_000_000 + places[best, column], return_counts=True)
    effective = times.sum() ** 2 / np.square(times).sum()
    return share, math.sqrt(0.05 * 0.95 / effective), float(np.median(limits[best, column]))


def print_best(found: dict[str, list[tuple[float, bool]]]) -> None:
    """The line below the table."""
    share, error, ratio = of_the_best(found)
    print(f"best of {len(found)} channels: excluded {share:.3f} +- {error:.3f}, limit {ratio:.2f} of the median")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--mass", type=float, default=1000.0)
    parser.add_argument("--width", type=float, default=0.1)
    parser.add_argument("--tail", action="store_true")
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--region", default="pb10")
    parser.add_argument("--channels", help="some of them")
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--far", action="store_true", help="with --events")
    arguments = parser.parse_args()
    search, named = prepare_search(NAME), arguments.channels.split(",") if arguments.channels else None
    simulated = Simulated(search.folder / str(search.card.background_events), search)
    channels = [one for one in search.category_of("jj").channels if named is None or one.name in named]
    if arguments.far:
        print_far(arguments, simulated, search, channels)
        return
    tail = " tail" if arguments.tail else ""
    what = f"{arguments.mass:g} GeV, {arguments.width:g}{tail}"
    table = Table(title=f"False exclusion at 95 % CL, {what}, {arguments.region}")
    for name in ("channel", "drawn from", "how", "signal", "excluded", "s"):
        table.add_column(name)
    pools: dict[str, list[tuple[float, bool]]] = {}
    for channel in channels:
        begin = time.process_time()
        expected, few = expectation_of(simulated, search, channel, arguments.region)
        if expected is None or (few and not arguments.events):
            table.add_row(channel.name, "none", few, "", "", "")
            continue
        for what, truth in {"first": expected.background, "second": expected.alternative}.items():
            if truth is None:
                continue
            done = list(experiments(arguments, expected, channel, truth, fitted=not few))
            pools.setdefault(channel.name, []).extend((events, excluded) for _, events, excluded in done)
            for how in ("fit", "count"):
                own = [(events, excluded) for one, events, excluded in done if one == how]
                if own:
                    share = sum(excluded for _, excluded in own) / len(own)
                    error_of = math.sqrt(0.05 * 0.95 / len(own))
                    signal = f"{np.median([events for events, _ in own]):.3g}"
                    spent = f"{time.process_time() - begin:.0f}"
                    table.add_row(
                        channel.name, what, how, signal, f"{share:.3f} +- {error_of:.3f} of {len(own)}", spent
                    )
    Console(width=110).print(table)
    pools = {name: own for name, own in pools.items() if own}
    if arguments.best and pools:
        print_best(pools)


if __name__ == "__main__":
    main()
