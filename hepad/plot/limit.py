"""CLs against the signal strength, with the bands expected without signal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_beside_curves, sigmas
from hepad.plot.style import ONE_SIGMA, RED, TWO_SIGMA, canvas, figure_of

__all__ = ["plot_limit"]

FloatArray = npt.NDArray[np.float64]


def plot_limit(
    poi: FloatArray,
    cls_expected: FloatArray,
    cls_observed: FloatArray | None,
    *,
    expected: FloatArray,
    observed: float | None,
    x_title: str = r"Signal strength $\mu$",
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Expected CLs (m, 5) for -2 to 2 standard deviations and observed CLs (m,) or None at signal strengths (m,).

    Limits at 95 % CL are marked where the curves cross 0.05: `expected` (5,) and `observed`. Drawn on `ax`, if given.
    """
    # Without signal nothing is excluded: CLs is 1 at mu = 0.
    poi = np.concatenate([[0.0], poi])
    cls_expected = np.concatenate([np.ones((1, 5)), cls_expected])
    cls_observed = None if cls_observed is None else np.concatenate([[1.0], cls_observed])
    with canvas(ax, (8, 6)) as axes:
        axes.fill_between(poi, cls_expected[:, 0], cls_expected[:, 4], color=TWO_SIGMA, label=r"Expected $\pm 2\sigma$")
        axes.fill_between(poi, cls_expected[:, 1], cls_expected[:, 3], color=ONE_SIGMA, label=r"Expected $\pm 1\sigma$")
        axes.plot(poi, cls_expected[:, 2], color="black", linestyle="--", label=f"Expected: $\\mu$ < {expected[2]:.3g}")
        if cls_observed is not None and observed is not None:
            axes.plot(poi, cls_observed, color="black", label=f"Observed: $\\mu$ < {observed:.3g}")
            axes.vlines(observed, 1e-4, 0.05, color="black", linewidth=1.4)
        axes.vlines(expected[2], 1e-4, 0.05, color="black", linestyle="--", linewidth=1.4)
        axes.axhline(0.05, color=RED, linewidth=1.4)
        axes.set_yscale("log")
        axes.set_ylim(2e-3, 1.5)
        axes.set_xlim(0.0, 1.25 * max(float(expected[4]), observed or 0.0))
        axes.text(0.02, 0.055, "95% CL", color=RED, va="bottom", transform=axes.get_yaxis_transform())
        axes.set_xlabel(x_title)
        axes.set_ylabel(r"$\mathrm{CL_s}$")
        curves = [(poi, cls_expected[:, 4])] + ([] if cls_observed is None else [(poi, cls_observed)])
        legend_beside_curves(axes, curves, title="\n".join(remarks) or None)
        draw_context(axes, context)
        keep_numbers(axes, mu=poi, observed_cls=cls_observed, **sigmas("expected_cls", cls_expected))
        return figure_of(axes)
