"""What stands above and below figures: one line for all, honest about whose result it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hepad.errors import UsageError
from hepad.output.figure_context import SIMULATION, FigureContext, simulated
from hepad.output.figure_kinds import drawing, parse_style
from hepad.plot.context import draw_context
from hepad.spectra.source import data_context

CMS = FigureContext(experiment="CMS", source="arXiv:1911.03947", sqrt_s=13, luminosity=137)


def written(context: FigureContext | None, caption: str = "") -> tuple[list[str], list[str]]:
    """The texts above two axes side by side, and those below the figure, of a context that is drawn twice."""
    figure = Figure()
    left, right = figure.subplots(1, 2)
    draw_context(left, context, right=right, caption=caption)
    above = [text.get_text() for axes in (left, right) for text in axes.texts]
    draw_context(left, context)
    return above, [text.get_text() for text in figure.texts]


def test_data_of_an_experiment_carry_its_name_and_reference_and_are_not_its_result() -> None:
    above, below = written(CMS, "points")
    assert above == ["hepad", "Data: CMS, arXiv:1911.03947", "points, 137 fb$^{-1}$ (13 TeV)"]
    assert below == ["not a result of CMS"]


def test_a_reinterpretation_says_of_what_and_a_label_hides_nothing() -> None:
    with drawing((), style="cms", label="My thesis"):
        above, below = written(FigureContext(search="CMS arXiv:1911.03947", experiment="CMS", source="x", process="W'"))
    assert above == ["hepad", "My thesis"]
    assert below == ["Data: CMS, x; Signal: W'; Reinterpretation of CMS arXiv:1911.03947; not a result of CMS"]


@pytest.mark.parametrize(
    ("context", "above"), [(None, []), (simulated(False), ["hepad"]), (simulated(True), ["hepad", SIMULATION])]
)
def test_what_is_not_known_is_not_written(context: FigureContext | None, above: list[str]) -> None:
    assert written(context) == (above, [])


def test_comments_of_a_table_say_whose_data_it_is(tmp_path: Path) -> None:
    ours, theirs, none = (tmp_path / f"{name}.csv" for name in ("ours", "theirs", "none"))
    lines = ["# experiment: CMS", "# reference: arXiv:1911.03947", "# sqrt_s: 13 TeV", "# luminosity: 137 fb-1"]
    ours.write_text("\n".join([*lines, "1,2,3", "# experiment: ATLAS"]), encoding="utf-8")
    theirs.write_text("#: table_doi: 10.17182/h.1\n#: keyword cmenergies: 13000.0\n1,2,3\n", encoding="utf-8")
    none.write_text("# sqrt_s: 1.2.3\n1,2,3\n", encoding="utf-8")
    assert data_context(str(ours)) == CMS
    assert data_context(str(theirs)) == FigureContext(source="doi:10.17182/h.1", sqrt_s=13.0)
    assert data_context(str(none)) == data_context("spectrum.root:h") == FigureContext()


def test_a_style_that_there_is_not() -> None:
    assert parse_style("cms") == "cms"
    with pytest.raises(UsageError, match="choose hepad, cms or atlas"):
        parse_style("lhcb")
