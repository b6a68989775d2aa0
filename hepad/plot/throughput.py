"""How many events a second a processor scores, and how long it takes for a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, ordered, pick
from hepad.plot.style import COLOURS, DASHES, GREY, MARKERS, RED, figure_of, frame, hep_style

__all__ = ["ThroughputPoint", "throughput_figure"]


@dataclass(frozen=True)
class ThroughputPoint:
    """One measurement: library, threads and events a batch; events a second and the 99th percentile of a call in ns.

    Each with its error, the standard deviation of its repetitions.
    """

    backend: str
    threads: int
    batch: int
    rate: float
    rate_error: float
    p99_ns: float
    p99_error_ns: float


def throughput_figure(
    points: Sequence[ThroughputPoint],
    *,
    title: str = "",
    caption: str = "",
    limits: Mapping[str, float] | None = None,
    warning: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Events a second and milliseconds a call against events a batch, on log axes, a line a library and thread number.

    `title` and `caption` stand above the right panel; `limits` are labels and ns, dashed in the right one.
    Errors are those of the logarithm, so that no bar ends at zero. `warning`, of times that are not to be trusted, is
    written above all. `ValueError` for nothing to draw.
    """
    if not points:
        raise ValueError("there is no measurement to draw")
    with hep_style():
        figure = frame(ax, (11.6, 5.2), ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.06))
        left, right = figure.subplots(1, 2)
        _lines(left, points, lambda p: (p.rate, p.rate_error))
        _lines(right, points, lambda p: (p.p99_ns * 1e-6, p.p99_error_ns * 1e-6))
        for label, limit in (limits or {}).items():
            right.axhline(limit * 1e-6, color=GREY, ls=(0, (5, 3)), lw=1.2)
            right.annotate(
                label, (0.02, limit * 1e-6), xycoords=("axes fraction", "data"), xytext=(0, 2),
                textcoords="offset points", fontsize="x-small", color=GREY, va="bottom",
            )  # fmt: skip
        left.set(ylabel="Events per second")
        right.set(ylabel="99th percentile of a call [ms]")
        for axes in (left, right):
            axes.set(xscale="log", yscale="log", xlabel="Events in a batch")
            axes.margins(x=0.05, y=0.1)
            axes.autoscale_view()
        draw_context(left, context, right=right, caption=", ".join(filter(None, (title, caption))))
        legend = legend_above(figure, left.get_legend_handles_labels()[0], title=warning or None, size=13)
        legend.get_title().set_color(RED)
        for p in points:
            rates = {"events_per_second": p.rate, "rate_error": p.rate_error}
            times = {"p99_ns": p.p99_ns, "p99_error_ns": p.p99_error_ns}
            keep_numbers(figure, library=p.backend, threads=p.threads, batch=p.batch, **rates, **times)
    return figure_of(left)


def _lines(
    ax: Axes, points: Sequence[ThroughputPoint], value: Callable[[ThroughputPoint], tuple[float, float]]
) -> None:
    backends, counts = ordered(p.backend for p in points), sorted({p.threads for p in points})
    for i, backend in enumerate(backends):
        for j, threads in enumerate(counts):
            own = sorted((p for p in points if (p.backend, p.threads) == (backend, threads)), key=lambda p: p.batch)
            if not own:
                continue
            values, errors = zip(*(value(p) for p in own), strict=True)
            ax.errorbar(
                [p.batch for p in own],
                values,
                yerr=[[v - v * v / (v + e) for v, e in zip(values, errors, strict=True)], errors],  # by one factor
                color=pick(COLOURS, i),
                ls=pick(DASHES, j),
                marker=pick(MARKERS, i),
                mfc=pick(COLOURS, i) if j == 0 else "white",
                ms=6,
                lw=1.4,
                capsize=2,
                label=f"{backend}, {threads} thread{'s' * (threads > 1)}",
            )
