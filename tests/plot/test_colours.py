"""Whatever stands in one legend is told apart by everybody: by dashes, markers or hatches, or by colours that differ.

Colours are as people without red, green or blue cones see them (Machado, Oliveira, Fernandes, IEEE TVCG 15 (2009) 1291,
severity 1, in linear sRGB), and their distance is that of Oklab (Ottosson 2020), in hundredths of the step from black
to white. Orange and brown are 8 apart for those without red.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hepad.plot.roc import RocLine, roc_figure
from hepad.plot.style import COLOURS, ONE_SIGMA, TWO_SIGMA

from .gallery import FIGURES, figure

Floats = npt.NDArray[np.float64]

LEAST = 12.0

EYES: dict[str, Floats] = {
    "all cones": np.eye(3),
    "no red": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ]),
    "no green": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881],
    ]),
    "no blue": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039],
    ]),
}  # fmt: skip
CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
OKLAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def seen(colour: Any, eyes: Floats) -> Floats:
    """A colour on white in Oklab, as these eyes have it."""
    *rgb, alpha = to_rgba(colour)
    values = alpha * np.array(rgb) + 1 - alpha
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return OKLAB @ np.cbrt(CONES @ np.clip(eyes @ linear, 0, 1))


def apart(one: Any, other: Any) -> tuple[float, str]:
    """How far two colours are apart for those who see the least of it, and who these are."""
    return min((100 * float(np.linalg.norm(seen(one, eyes) - seen(other, eyes))), who) for who, eyes in EYES.items())


def dash(pattern: tuple[float, Any]) -> Any:
    return tuple(np.round(np.atleast_1d(pattern[1]), 2)) if pattern[1] is not None else "solid"


def look(handle: Artist) -> tuple[tuple[Any, ...], Any]:
    """What a handle of a legend looks like but for its colour, and that."""
    if isinstance(handle, Line2D):
        face = handle.get_markerfacecolor() if handle.get_marker() not in {"None", None, ""} else ""
        hollow = face != "" and to_hex(face) == "#ffffff"
        drawn = handle.get_linestyle() not in {"None", " ", ""}
        pattern = dash(handle._unscaled_dash_pattern) if drawn else None
        return ("line", pattern, handle.get_marker(), hollow), handle.get_color()
    if isinstance(handle, Patch):
        if handle.get_fill():
            return ("area", handle.get_hatch()), handle.get_facecolor()
        return ("outline", handle.get_linestyle(), handle.get_hatch()), handle.get_edgecolor()
    if isinstance(handle, Collection):
        return ("collection", type(handle).__name__, str(handle.get_linestyle())), handle.get_edgecolor()[0]
    raise TypeError(type(handle))


def handles(of: Figure) -> list[list[tuple[str, Artist]]]:
    """The handles of each legend by their texts; of points with bars the line that joins them."""
    joined = {c.get_label(): c.lines[0] for a in of.axes for c in a.containers if isinstance(c, ErrorbarContainer)}
    legends = [*of.legends, *(one for axes in of.axes if (one := axes.get_legend()) is not None)]
    return [
        [(t.get_text(), joined.get(t.get_text(), h)) for t, h in zip(x.get_texts(), x.legend_handles, strict=True)]
        for x in legends
    ]


def confused(of: Figure) -> list[str]:
    """The pairs of a legend that only colours tell apart which somebody takes for one."""
    found = []
    for entries in handles(of):
        looks = [(name, *look(handle)) for name, handle in entries]
        for (one, a, first), (other, b, second) in combinations(looks, 2):
            distance, who = apart(first, second)
            if a == b and distance < LEAST:
                found.append(f"{one} and {other}: {distance:.1f} with {who}")
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_nobody_takes_two_for_one(name: str) -> None:
    assert confused(figure(name)) == []


def test_colours_alone_would_not_do() -> None:
    """Orange and red, which were side by side in one dash, are found; in two dashes they are told apart."""
    assert apart("#3f90da", "#3f90da")[0] == 0
    assert apart("black", "white")[0] == pytest.approx(100, abs=0.1)
    assert apart("#00a000", "#c06000")[1] == "no green"
    distance, who = apart("#e76300", "#a96b59")
    assert (distance < LEAST, who) == (True, "no red")
    grid = np.linspace(0.1, 1, 5)
    drawn = roc_figure([RocLine(f"m{i}", "s", grid, grid) for i in range(len(COLOURS))], panels=True)
    assert confused(drawn) == []
    for handle in drawn.legends[0].legend_handles:
        handle.set_linestyle("-")
    assert len(confused(drawn)) > 3


def test_the_first_colours_and_the_bands_differ_most() -> None:
    assert min(apart(a, b)[0] for a, b in combinations(COLOURS[:3], 2)) > 2 * LEAST
    assert min(apart(a, b)[0] for a, b in combinations(COLOURS[:5], 2)) > LEAST
    assert min(apart(a, b)[0] for a, b in combinations((ONE_SIGMA, TWO_SIGMA, "white"), 2)) > LEAST
