"""Loss curves."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from hepad.plot.style import hep_style

__all__ = ["plot_loss"]


def plot_loss(train: Sequence[float], validation: Sequence[float], *, best_epoch: int) -> Figure:
    """Training and validation loss against epoch; a dot marks the epoch whose weights were kept."""
    epochs = range(1, len(train) + 1)
    with hep_style():
        figure = Figure(figsize=(8, 6), layout="constrained")
        axes = figure.subplots()
        axes.plot(epochs, train, label="training")
        axes.plot(epochs, validation, label="validation")
        kept = (best_epoch, validation[best_epoch - 1])
        axes.plot(*kept, "o", color="black", label=f"kept: epoch {best_epoch}", clip_on=False, zorder=5)
        if min(*train, *validation) > 0:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(1, max(len(train), 2))
        axes.set_xlabel("Epoch")
        axes.set_ylabel("Loss per event")
        axes.legend()
    return figure
