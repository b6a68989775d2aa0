"""How often the limits of the two-body search exclude a true signal: at most 5 % is promised.

    python benchmarks/bench_search_coverage.py [--experiments N] [--mass GEV] [--region NAME]

Counts are drawn from the bundled background, as its first function describes it and as its second does, and a Gaussian
signal of 10 % width at the expected limit. The limit is by the first function, with its spurious signal as an error.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from hepad.errors import FitFailedError
from hepad.pipeline.reinterpret.systematics import spurious_events
from hepad.search.expectation import Simulated, TooFewError, simulated_expectation
from hepad.search.search import prepare_search
from hepad.stats.fits.templates import gaussian_template
from hepad.stats.limits.cls import ALPHA, asymptotic_cls
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel, resonance_limits

NAME = "atlas_2023_ad_two_body"
WIDTH = 0.1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--mass", type=float, default=1000.0)
    parser.add_argument("--region", default="pb10")
    arguments = parser.parse_args()
    search = prepare_search(NAME)
    simulated = Simulated(search.folder / str(search.card.background_events), search)
    table = Table(title=f"False exclusion at 95 % CL, {arguments.mass:g} GeV, {arguments.region}")
    for name in ("channel", "drawn from", "spurious", "signal", "excluded", "s"):
        table.add_column(name)
    rng = np.random.default_rng(6)
    for channel in search.category_of("jj").channels:
        begin = time.process_time()
        try:
            expected = simulated_expectation(simulated, search, channel.name, arguments.region)
        except TooFewError as error:
            table.add_row(channel.name, "none", "", "", f"{error.effective:.1f} of {error.needed:g} needed", "")
            continue
        bins = int(np.searchsorted(channel.edges, expected.reach))
        edges, function = channel.edges[: bins + 1], channel.functions[0]
        shape = gaussian_template(edges, arguments.mass, WIDTH)
        truths = {"first": expected.background, "second": expected.alternative}
        for what, whole in truths.items():
            if whole is None or expected.alternative is None:
                continue
            truth = whole[:bins]
            fake = spurious_events(edges, expected.alternative[:bins], shape, function)
            bare = ResonanceChannel(channel.name, edges, shape, 0 * shape, function, truth, spurious=fake)
            signal = float(resonance_limits([bare]).expected[2])
            excluded = done = 0
            for _ in range(arguments.experiments):
                counts = rng.poisson(truth + signal * shape).astype(float)
                seen = ResonanceChannel(channel.name, edges, shape, 0 * shape, function, observed=counts, spurious=fake)
                try:
                    model = ResonanceModel([seen])
                    mu = signal / model.scale
                    excluded += asymptotic_cls(model.data(mu), model.posterior(mu)) < ALPHA
                    done += 1
                except FitFailedError:
                    continue
            error = math.sqrt(0.05 * 0.95 / max(done, 1))
            spent = time.process_time() - begin
            share = f"{excluded / max(done, 1):.3f} +- {error:.3f} of {done}"
            table.add_row(channel.name, what, f"{fake:.3g}", f"{signal:.3g}", share, f"{spent:.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
