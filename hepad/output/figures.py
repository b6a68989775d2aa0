"""Save figures: the only place that does. Nothing of matplotlib is loaded until there is one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hepad.output.figure_kinds import figure_kinds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_figure", "save_figures", "save_thumbnail"]


def save_figure(
    figure: Figure, stem: Path, kinds: tuple[str, ...] | None = None, *, numbers: bool | str = True
) -> list[Path]:
    """Write `stem.png`, `stem.pdf`, `stem.svg`: the kinds asked for, and `stem.csv`, its numbers.

    Where another table has that name, `numbers` is False if it tells all that the figure does, else a name for them.

    There is no date in them, so that equal figures are equal files.

    Without `kinds` they are those of `drawing`: what --figures says, or PNG alone. Without any nothing is done.

    Names of others in the figure, whatever is in them, are drawn such that neither fonts nor layout fail.
    """
    kinds = figure_kinds() if kinds is None else kinds
    if not kinds:
        return []
    from hepad.output.figure_files import write_figure
    from hepad.output.figure_numbers import write_numbers

    if numbers:
        write_numbers(figure, stem.with_name(f"{stem.name if numbers is True else numbers}.csv"))
    return write_figure(figure, stem, kinds)


def save_figures(figures: Iterable[tuple[str, Figure]], folder: Path) -> list[str]:
    """Write figures, by their names, into a folder; the names. If none are to be written, none is drawn.

    Each is drawn when it is its turn: `figures` is a generator.
    """
    return [name for name, figure in figures if save_figure(figure, folder / name)] if figure_kinds() else []


def save_thumbnail(figure: Path, thumbnail: Path) -> None:
    """Write a small copy of the PNG file of a figure, each pixel the mean of those that it stands for."""
    from hepad.output.figure_files import write_thumbnail

    write_thumbnail(figure, thumbnail)
