"""Figures look as they did when somebody last looked at them; docs/development.md says how to make the images anew."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from matplotlib.figure import Figure
from matplotlib.ft2font import __freetype_build_type__

from hepad.output.figure_numbers import numbers_of

from ..conftest import ROOT
from .gallery import FIGURES, figure

NOT_COMPARED = {"correlation", "injection", "methods", "scores_of_a_search", "seeds", "sensitivities"}
"""Others have what these have."""


def pinned(package: str) -> str:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


OTHER = [f"{name} {version(name)}" for name in ("matplotlib", "mplhep", "mplhep-data") if version(name) != pinned(name)]
OTHER += ["the system's FreeType"] if __freetype_build_type__ != "local" else []


@pytest.mark.skipif(bool(OTHER), reason=f"images are of the pinned versions, not of {', '.join(OTHER)}")
@pytest.mark.mpl_image_compare(
    baseline_dir="reference",
    style=["default", {"text.hinting": "none"}],
    savefig_kwargs={"dpi": 40},
    tolerance=2,
    deterministic=True,
)
@pytest.mark.parametrize("name", sorted(FIGURES.keys() - NOT_COMPARED))
def test_figure(name: str) -> Figure:
    made = figure(name)
    assert numbers_of(made)  # which are written beside it
    return made
