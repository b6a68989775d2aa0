"""Small figures of all kinds, made from fixed numbers: for images, and for what must hold on every figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr
from scipy.stats import norm

from hepad.output.figure_context import FigureContext, simulated
from hepad.plot.bumphunt import add_statistics, plot_sensitivity, plot_tomography
from hepad.plot.channels import ChannelLimit, plot_channels
from hepad.plot.correlation import plot_correlation
from hepad.plot.exclusion import plot_exclusion
from hepad.plot.injection import plot_pulls as injection_pulls
from hepad.plot.limit import plot_limit
from hepad.plot.local_p import plot_local_p
from hepad.plot.mass_methods import MassLine, local_p_of_methods
from hepad.plot.plane import plot_plane
from hepad.plot.postfit import StackedChannel, plot_postfit
from hepad.plot.pulls import Row, plot_pulls
from hepad.plot.rates import EfficiencyLine, efficiency_figure
from hepad.plot.roc import RocLine, roc_figure, score_figure
from hepad.plot.search import SpectrumPanel, cutflow_figure, spectra_figure
from hepad.plot.search import score_figure as search_scores
from hepad.plot.seeds import SeedPoints, seeds_figure
from hepad.plot.sensitivity import SensitivityLine, p_figure
from hepad.plot.sic import SicLine, sic_figure
from hepad.plot.spectrum import plot_spectrum
from hepad.plot.throughput import ThroughputPoint, throughput_figure
from hepad.plot.windows import WindowSpectrum, window_significances
from hepad.plot.yields import plot_yields

EDGES = np.geomspace(1500.0, 8000.0, 25)
CENTRES = np.sqrt(EDGES[:-1] * EDGES[1:])
EXPECTED = 1e5 * (CENTRES / 1500) ** -7.0
SIGNAL = 300 * np.exp(-(((CENTRES - 3500) / 300) ** 2) / 2)
NOISE = np.sin(5.0 * np.arange(24.0) ** 2)
"""Numbers that look drawn, in [-1, 1], the same on every machine."""
COUNTS = np.round(EXPECTED + NOISE * np.sqrt(EXPECTED))
PULLS = (COUNTS - EXPECTED) / np.sqrt(EXPECTED)
BANDS = np.array([0.5, 0.7, 1.0, 1.4, 2.0])
MASSES = np.linspace(2000.0, 7000.0, 11)
GRID = np.linspace(0.02, 1.0, 40)
QUANTILES = norm.ppf((np.arange(400) + 0.5) / 400)
"""A normal distribution as 400 numbers."""
DATA = FigureContext(experiment="CMS", sqrt_s=13, luminosity=137, source="arXiv:1911.03947")
SIMULATION = simulated(True)
MODELS = ("one", "two", "three", "four")


def bumphunt() -> Figure:
    remarks = ("Window 3400 to 3900 GeV", r"Local p = 0.03 ($1.9\sigma$)")
    window = (float(EDGES[12]), float(EDGES[14]))
    figure = plot_spectrum(
        EDGES, COUNTS, EXPECTED, pulls=PULLS, background_errors=0.1 * EXPECTED, window=window, remarks=remarks,
        context=DATA,
    )  # fmt: skip
    add_statistics(figure, 4 + 1.2 * QUANTILES, 5.0, edges=EDGES, counts=COUNTS)
    return figure


def tomography() -> Figure:
    first = np.repeat(np.arange(20), 4)
    last = first + np.tile([1, 2, 3, 4], 20)
    z = 1.5 * (1 + np.sin(3.0 * first + last))
    return plot_tomography(
        EDGES, first, last, norm.logsf(z), sign=np.ones(80, dtype=np.int8), best=(EDGES[3], EDGES[5]), context=DATA
    )


def plane() -> Figure:
    values = 2 * np.sin(np.arange(48.0) ** 2).reshape(8, 6)
    values[5:, 4:] = np.nan
    edges = (np.linspace(1000.0, 5000.0, 9), np.linspace(0.0, 600.0, 7))
    return plot_plane(
        edges, values, window=((2000, 3000), (100, 300)), titles=("Mass of two [GeV]", "Mass of one [GeV]"),
        remarks=("2000 to 3000, 100 to 300", "Local p = 0.01"),
    )  # fmt: skip


def correlation() -> Figure:
    return plot_correlation(np.array([[1, 0.99, 0.97], [0.99, 1, 0.98], [0.97, 0.98, 1]]), ["p1", "p2", "p3"])


def exclusion() -> Figure:
    expected = 0.1 * (MASSES[:, None] / 2000) ** -3 * BANDS
    return plot_exclusion(
        MASSES, expected, observed=expected[:, 2] * (1 + 0.4 * NOISE[:11]), theory=(MASSES / 2000) ** -6.0,
        excluded=[(2000.0, 3800.0)], context=DATA,
    )  # fmt: skip


def limit() -> Figure:
    mu = np.linspace(0.1, 5.0, 30)
    expected = np.stack([2 * ndtr(-mu / width) for width in (0.5, 0.7, 1.0, 1.4, 2.0)], axis=1)
    observed = 2 * ndtr(-mu / 1.2)
    return plot_limit(mu, expected, observed, expected=1.96 * BANDS, observed=2.35, remarks=("Upper limits",))


def channels() -> Figure:
    rows = [ChannelLimit(f"channel {i}", 0.01 * i * BANDS, 0.012 * i) for i in (1, 2, 3)]
    rows.append(ChannelLimit("channel 4", None, remark="too few events"))
    return plot_channels(rows, combined=ChannelLimit("Combined", 0.008 * BANDS, 0.009), theory_pb=0.05, context=DATA)


def cutflow() -> Figure:
    flow = [
        ("all events", 1.0, 0.0),
        ("two jets", 0.8, 0.01),
        ("region loose", 0.02, 0.01),
        ("region tight", 0.0, 3e-3),
    ]
    marks = {"region loose": 8e-3, "region tight": 8e-4}
    return cutflow_figure({"search": flow}, background={"search": marks}, context=SIMULATION)


def scores_of_a_search() -> Figure:
    cuts = np.linspace(3.0, -3.0, 60)
    return search_scores(
        "mse", (QUANTILES + 1.0, np.ones(400)), (cuts, ndtr(-cuts)), thresholds={"loose": 1.3, "tight": 2.3},
        context=SIMULATION,
    )  # fmt: skip


def spectra() -> Figure:
    panels = [
        SpectrumPanel(
            f"$m_{i}$", EDGES, 0.02 * SIGNAL, 0.005 * SIGNAL, background=EXPECTED / i, simulated=COUNTS / i,
            errors=np.sqrt(COUNTS) * 3,
        )
        for i in (1, 2, 3, 4)
    ]  # fmt: skip
    panels.append(SpectrumPanel("$m_5$", EDGES, 0.1 * SIGNAL, 0 * SIGNAL))
    return spectra_figure(panels, region="tight", context=SIMULATION)


def roc() -> Figure:
    lines = [
        RocLine(model, signal, GRID, GRID**power, 0.8 * GRID**power, 1.2 * GRID**power)
        for i, model in enumerate(MODELS)
        for signal, power in (("h0", 2 + 0.4 * i), ("a4l", 4 - 0.4 * i))
    ]
    return roc_figure(lines, panels=True, context=SIMULATION)


def sic() -> Figure:
    lines = []
    for i, model in enumerate(MODELS):
        value = (2 + i) * np.sqrt(GRID) * (1.3 - GRID)
        lines.append(SicLine(model, "h0", GRID, value, 0.9 * value, 1.1 * value, best=(0.44, float(value[17]))))
    return sic_figure(lines, floor="at least 10\nbackground events", context=SIMULATION)


def scores() -> Figure:
    signals = {name: QUANTILES + shift for shift, name in enumerate(MODELS)}
    return score_figure(QUANTILES, signals, thresholds={"loose": 2.3, "tight": 3.1}, bins=30, context=SIMULATION)


def yields() -> Figure:
    processes = {name: (9.0 - i) ** 2 * np.array([9.0, 5.0, 2.0, 1.0]) for i, name in enumerate("abcdefgh")}
    errors = np.array([90.0, 50.0, 20.0, 10.0])
    total = np.sum(list(processes.values()), axis=0)
    return plot_yields(
        ["SR1", "SR2", "SR3", "SR4"], processes, errors, signal=np.array([1.0, 9.0, 30.0, 60.0]),
        observed=np.round(total * 1.05),
    )  # fmt: skip


def postfit() -> Figure:
    samples = {name: (14.0 - i) * np.array([9.0, 5.0, 2.0]) for i, name in enumerate("abcdefghijkl")}
    total = np.sum(list(samples.values()), axis=0)
    return plot_postfit([StackedChannel(name, np.round(total * 1.1), samples, 0.1 * total) for name in ("SR", "CR")])


def pulls() -> Figure:
    rows = [Row(f"nuisance {i}", 0.8 * NOISE[i], 0.6, reference=0.0, width=1.0) for i in range(8)]
    return plot_pulls(rows, [Row("bin 1", 1.1, 0.1, 1.0, 0.2)], [Row("mu", 0.4, 0.3, at_bound=True)])


def throughput() -> Figure:
    points = [
        ThroughputPoint(name, threads, batch, rate * batch * threads, 2 * rate, 1e9 * batch**0.2 / rate, 4e8 / rate)
        for name, rate in (("hepad", 1e4), ("torch", 3e3), ("onnxruntime", 6e3))
        for threads in (1, 2)
        for batch in (1, 16, 256)
    ]
    return throughput_figure(
        points, title="snn_ae", caption="a processor", limits={"card: 1 ms": 1e6},
        warning="the processor was busy, so times are upper bounds",
    )  # fmt: skip


def efficiencies() -> Figure:
    khz = np.geomspace(0.1, 30.0, 20)
    lines = [
        EfficiencyLine(signal, model, khz, e, 0.9 * e, np.minimum(1.1 * e, 1))
        for signal, power in (("h0", 0.3), ("a4l", 0.1))
        for model, e in ((name, (khz / 30) ** (power * (1 + 0.5 * i))) for i, name in enumerate(MODELS))
    ]
    return efficiency_figure(lines, menus={"h0": 0.3}, few_khz=0.3, context=SIMULATION)


def windows() -> Figure:
    found = {
        name: [
            WindowSpectrum(f"{k}", 2000.0 + 500 * k, 2500.0 + 500 * k, 2 * NOISE[k + 5 * i], *(np.ones(2),) * 4)
            for k in range(4)
        ]
        for i, name in enumerate(MODELS)
    }
    return window_significances(found, remarks=("dijet3",))


def methods() -> Figure:
    lines = [MassLine(name, MASSES, 2 + 1.5 * NOISE[i : i + 11], MASSES, MASSES) for i, name in enumerate("abcdefghij")]
    return local_p_of_methods(lines, remarks=("Global p",))


def sensitivities() -> Figure:
    x = np.geomspace(10.0, 200.0, 6)
    lines = [SensitivityLine(name, x, *(-x / (8 + 6 * i) * f for f in (1, 1.2, 0.8))) for i, name in enumerate(MODELS)]
    return p_figure({"signal one": lines, "signal two": lines})


FIGURES: dict[str, Callable[[], Figure]] = {
    "bumphunt": bumphunt,
    "channels": channels,
    "correlation": correlation,
    "cutflow": cutflow,
    "efficiencies": efficiencies,
    "exclusion": exclusion,
    "fit_with_signal": lambda: plot_spectrum(
        EDGES, COUNTS, EXPECTED, pulls=PULLS, signal=0.02 * SIGNAL, signal_label="Signal, 1 pb", context=DATA
    ),
    "injection": lambda: injection_pulls({"mass": QUANTILES, "width": 1.2 * QUANTILES}),
    "limit": limit,
    "local_p": lambda: plot_local_p(MASSES, norm.logsf(1 + 2 * NOISE[:11]), remarks=("dijet3",), context=DATA),
    "methods": methods,
    "plane": plane,
    "postfit": postfit,
    "pulls": pulls,
    "roc": roc,
    "scores": scores,
    "scores_of_a_search": scores_of_a_search,
    "seeds": lambda: seeds_figure([SeedPoints(m, "h0", np.array([0.6, 0.7, 0.75])) for m in MODELS]),
    "sensitivity": lambda: plot_sensitivity(
        np.array([0.0, 50.0, 100.0, 200.0]),
        np.outer([0.1, 1.0, 2.0, 3.0], [0.6, 0.8, 1.0, 1.1, 1.2]),
        ceiling=4.0,
        label="Gaussian",
    ),
    "sensitivities": sensitivities,
    "sic": sic,
    "spectra": spectra,
    "throughput": throughput,
    "tomography": tomography,
    "windows": windows,
    "yields": yields,
}


@cache
def figure(name: str) -> Figure:
    """One of them, made once: nobody may change it."""
    return FIGURES[name]()
