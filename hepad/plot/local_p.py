"""The local p-value of background alone against the mass, with lines at whole standard deviations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy.special import log_ndtr

from hepad.plot.style import GREY, hep_style

__all__ = ["plot_local_p"]

FloatArray = npt.NDArray[np.float64]

_RED = "#bd1f01"


def plot_local_p(
    masses: FloatArray,
    log_p: FloatArray,
    *,
    x_title: str = "Mass [GeV]",
    remarks: tuple[str, ...] = (),
    simulation: bool = False,
) -> Figure:
    """Natural logarithms of p-values (m,) at masses (m,) in GeV; p-values that underflow are drawn all the same."""
    decades = np.minimum(log_p / np.log(10.0), 0.0)
    sigmas = [z for z in range(1, 40) if log_ndtr(-z) / np.log(10.0) > decades.min() * 1.15 - 1.2]
    if len(sigmas) > 8:
        sigmas = sigmas[:: -(-len(sigmas) // 8)]
    with hep_style():
        figure = Figure(figsize=(8, 5.4), layout="constrained")
        axes = figure.subplots()
        marker = "o" if len(masses) < 60 else None
        axes.plot(masses, decades, color="black", marker=marker, markersize=4, label="Observed")
        for z in sigmas:
            level = log_ndtr(-float(z)) / np.log(10.0)
            axes.axhline(level, color=_RED, linewidth=1.2, linestyle=(0, (5, 2)))
            axes.text(1.005, level, rf"{z}$\sigma$", color=_RED, va="center", transform=axes.get_yaxis_transform())
        axes.axhline(np.log10(0.5), color=GREY, linewidth=1.0, linestyle=":")
        lowest = min(float(decades.min()), log_ndtr(-float(sigmas[-1])) / np.log(10.0) if sigmas else 0.0)
        # Room above for the legend, below for the lowest point.
        axes.set_ylim(lowest * 1.1 - 0.1, 0.3 - 0.32 * lowest)
        axes.set_yticks(_whole_decades(lowest), [rf"$10^{{{d}}}$" if d else "1" for d in _whole_decades(lowest)])
        axes.minorticks_off()
        if len(masses) > 1:
            axes.set_xlim(masses[0], masses[-1])
        axes.set_xlabel(x_title)
        axes.set_ylabel(r"Local $p_0$")
        legend = axes.legend(loc="upper left", title="\n".join(remarks) or None, alignment="left", frameon=False)
        legend.get_title().set_fontsize(14)
        legend.get_title().set_multialignment("left")
        if simulation:
            axes.text(0, 1.01, "Simulation (Delphes)", transform=axes.transAxes, va="bottom", fontstyle="italic")
        return figure


def _whole_decades(lowest: float) -> list[int]:
    depth = int(-np.floor(lowest))
    step = max(1, -(-depth // 10))
    return list(range(0, -depth - 1, -step))
