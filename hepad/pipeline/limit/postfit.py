"""The fit to a workspace's data as figures: pulls, and the channels with their samples."""

from __future__ import annotations

from pathlib import Path

from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.plot.postfit import StackedChannel, plot_postfit
from hepad.plot.pulls import Row, plot_pulls
from hepad.stats.limits.postfit import FittedParameter, PostFit

__all__ = ["save_postfit"]


def save_postfit(fit: PostFit, folder: Path, *, poi: str = "signal strength") -> None:
    """Write the figures `pulls` and `postfit`; no pulls where the fit has no free parameter."""
    remark = "Fit to data" + (f", {poi} at 0 and held there" if fit.poi_at_zero else "")
    remark = remark.replace("$", r"\$")
    groups = {kind: [p for p in fit.parameters if p.kind == kind] for kind in ("constrained", "gamma", "free")}
    if any(groups.values()):
        figure = plot_pulls(
            [_row(p, pull=True) for p in groups["constrained"]],
            [_row(p) for p in groups["gamma"]],
            [_row(p) for p in groups["free"]],
            remarks=(remark,),
            context=FigureContext(),
        )
        save_figure(figure, folder / "pulls")
    channels = [StackedChannel(c.name, c.observed, c.samples, c.errors) for c in fit.channels]
    save_figure(plot_postfit(channels, remarks=(remark,), context=FigureContext()), folder / "postfit")


def _row(parameter: FittedParameter, *, pull: bool = False) -> Row:
    if pull and parameter.pull is not None and parameter.pull_error is not None:
        return Row(parameter.name, parameter.pull, parameter.pull_error, 0.0, 1.0, parameter.at_bound)
    return Row(parameter.name, parameter.value, parameter.error, parameter.centre, parameter.width, parameter.at_bound)
