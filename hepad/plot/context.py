"""Write on a figure what it is of: one function, for all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hepad.output.figure_context import FigureContext
from hepad.output.figure_kinds import figure_label
from hepad.plot.style import figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FigureContext", "draw_context"]

_ABOVE = 6
"""Points between the frame and the line above it."""
_LINE, _NOTE = "hepad-context", "hepad-note"


def draw_context(
    left: Axes,
    context: FigureContext | None,
    *,
    right: Axes | None = None,
    caption: str = "",
    narrow: bool = False,
) -> None:
    """Write above axes who made the figure of what, on the left, and the exposure after `caption` on the right.

    `right` are the axes on the right where there are several side by side. The note of the context stands below the
    figure, once, and so does the exposure where axes are too `narrow` for all on one line. The label of the command
    line (`--label`) takes the place of that of the context. Without a context there is the caption alone.
    """
    ours = context or FigureContext()
    for axes in (left, right or left):
        for text in [text for text in axes.texts if text.get_gid() == _LINE]:
            text.remove()  # of a context before: the last one holds
    above: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False, "va": "baseline", "gid": _LINE}
    if context is not None:
        label = figure_label() or ours.label or ours.data
        name = left.annotate("hepad", (0, 1), xytext=(0, _ABOVE), xycoords="axes fraction", weight="bold", **above)
        if label:
            # From where the name ends, on its line.
            beside: Any = (name, left.transAxes)
            left.annotate(label, (1, 1), xytext=(6, _ABOVE), xycoords=beside, fontstyle="italic", **above)
        below = (ours.note(label), ours.exposure if narrow else "")
        _draw_note(left, "; ".join(filter(None, below)))
    said = ", ".join(filter(None, (caption, "" if narrow else ours.exposure)))
    if said:
        look: dict[str, Any] = {"ha": "right", "fontsize": "small" if caption else None, **above}
        (right or left).annotate(said, (1, 1), xytext=(0, _ABOVE), xycoords="axes fraction", **look)


def _draw_note(axes: Axes, note: str) -> None:
    """Below everything, where no layout looks: files and notebooks take what reaches beyond a figure along."""
    figure = figure_of(axes)
    known = [text.get_text() for text in figure.texts if text.get_gid() == _NOTE]
    if note and note not in known:
        down = -0.02 - 0.24 * len(known) / figure.get_figheight()
        figure.text(0.01, down, note, va="top", fontsize=11, color="#4a4e57", gid=_NOTE)
