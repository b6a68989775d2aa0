"""What stands above and below figures: one line for all, honest about whose result it is."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import hepad.plot
from hepad.errors import UsageError
from hepad.output.figure_context import SIMULATION, FigureContext, joined, simulated
from hepad.output.figure_kinds import drawing, parse_style
from hepad.output.figure_numbers import numbers_of
from hepad.plot.context import draw_context
from hepad.plot.mass_methods import SignalBar, signal_limits
from hepad.spectra.source import data_context

CMS = FigureContext(experiment="CMS", source="arXiv:1911.03947", sqrt_s=13, luminosity=137)


def written(context: FigureContext | None, caption: str = "") -> tuple[list[str], list[str]]:
    """The texts above two axes side by side, and those below the figure, of a context that is drawn twice."""
    figure = Figure()
    left, right = figure.subplots(1, 2)
    draw_context(left, context, right=right, caption=caption)
    above = [text.get_text() for axes in (left, right) for text in axes.texts]
    draw_context(left, context, right=right, caption=caption)
    assert [text.get_text() for axes in (left, right) for text in axes.texts] == above
    return above, [text.get_text() for text in figure.texts]


def test_data_of_an_experiment_carry_its_name_and_reference_and_are_not_its_result() -> None:
    above, below = written(CMS, "points")
    assert above == ["hepad", "Data: CMS, arXiv:1911.03947", "points, 137 fb$^{-1}$ (13 TeV)"]
    assert below == ["Not a result of CMS"]


def test_a_reinterpretation_says_of_what_and_a_label_hides_nothing() -> None:
    with drawing((), style="cms", label="My thesis"):
        above, below = written(FigureContext(search="CMS arXiv:1911.03947", experiment="CMS", source="x", process="W'"))
    assert above == ["hepad", "My thesis"]
    # What it is not comes first: long lines are cut.
    assert below == ["Not a result of CMS; Data: CMS, x; Signal: W'; Reinterpretation of CMS arXiv:1911.03947"]


def test_a_search_without_its_data_says_whose_result_it_is_not() -> None:
    context = FigureContext(label=SIMULATION, search="CMS, arXiv:1911.03947", searcher="CMS")
    assert context.note(SIMULATION) == "Not a result of CMS; Reinterpretation of CMS, arXiv:1911.03947"


def test_a_figure_of_several_spectra_claims_what_they_share_and_names_all() -> None:
    atlas = FigureContext(experiment="ATLAS", source="arXiv:1910.08447", sqrt_s=13, luminosity=139)
    both = joined([CMS, atlas])
    assert both == FigureContext(experiment="CMS, ATLAS", source="arXiv:1911.03947, arXiv:1910.08447", sqrt_s=13)
    assert both.note(both.data) == "Not a result of CMS, ATLAS"
    assert joined([CMS, CMS]) == CMS
    assert joined([FigureContext(), CMS]) == FigureContext(experiment="CMS and others", source="arXiv:1911.03947")


@pytest.mark.parametrize(
    ("context", "above"), [(None, []), (simulated(False), ["hepad"]), (simulated(True), ["hepad", SIMULATION])]
)
def test_what_is_not_known_is_not_written(context: FigureContext | None, above: list[str]) -> None:
    assert written(context) == (above, [])


def test_comments_of_a_table_say_whose_data_it_is(tmp_path: Path) -> None:
    ours, theirs, none = (tmp_path / f"{name}.csv" for name in ("ours", "theirs", "none"))
    lines = ["# experiment: CMS", "# reference: arXiv:1911.03947", "# sqrt_s: 13 TeV", "# luminosity: 137 fb-1"]
    ours.write_text("\n".join([*lines, "1,2,3", "# experiment: ATLAS"]), encoding="utf-8")
    theirs.write_text(
        "#: table_doi: 10.17182/h.1\n#: keyword cmenergies: 13000.0\n# luminosity: 500/pb\n1,2,3\n", encoding="utf-8"
    )
    none.write_text("# sqrt_s: 1e400\n# luminosity: 3 barn\n1,2,3\n", encoding="utf-8")
    assert data_context(str(ours)) == CMS
    assert data_context(str(theirs)) == FigureContext(source="doi:10.17182/h.1", sqrt_s=13.0, luminosity=0.5)
    assert data_context(str(none)) == data_context("spectrum.root:h") == FigureContext()


def test_numbers_of_comments_are_understood_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"

    def read(energy: str, luminosity: str) -> tuple[float | None, float | None]:
        path.write_text(f"# sqrt_s: {energy}\n# luminosity: {luminosity}\n1,2,3\n", encoding="utf-8")
        context = data_context(str(path))
        return context.sqrt_s, context.luminosity

    assert read("13000", "36.1 fb$^{-1}$") == (13, 36.1)
    assert read("13.6TeV", "1e3 pb^-1") == (13.6, 1)
    assert read("13000 GeV", "139") == (13, 139)
    for energy, luminosity in (
        ("7 and 8 TeV", "1,390 fb-1"),
        ("13 TeV (2018)", "36.1 +- 0.5 fb-1"),
        ("13-14", "137 fb"),
    ):
        assert read(energy, luminosity) == (None, None)


def test_a_style_that_there_is_not() -> None:
    assert parse_style("cms") == "cms"
    with pytest.raises(UsageError, match="choose hepad, cms or atlas"):
        parse_style("lhcb")


def test_every_plot_function_takes_a_context_and_axes() -> None:
    """Those that make a figure; `draw_...` draw on axes that they are given."""
    modules = [import_module(f"hepad.plot.{found.name}") for found in pkgutil.iter_modules(hepad.plot.__path__)]
    functions = {
        name: inspect.signature(getattr(module, name))
        for module in modules
        for name in getattr(module, "__all__", ())
        if inspect.isfunction(getattr(module, name)) and module.__name__.split(".")[-1] not in {"style", "panels"}
    }
    made = {name: asked.parameters for name, asked in functions.items() if asked.return_annotation == "Figure"}
    assert len(made) > 45
    assert [name for name, parameters in made.items() if not {"context", "ax"} <= set(parameters)] == []


def test_panels_take_the_place_of_axes_in_a_grid() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    bar = SignalBar("m", 3.0, (1.0, 2.0, 3.0, 4.0, 5.0))
    assert signal_limits({"a": [bar], "b": [bar]}, x_title="limit", context=CMS, ax=left) is figure
    assert left not in figure.axes
    assert len(figure.axes) == 3
    assert right in figure.axes
    figure.draw_without_rendering()
    assert numbers_of(figure)[1] == {
        "signal": "b", "method": "m", "observed": 3.0, "expected_-2sigma": 1.0, "expected_-1sigma": 2.0,
        "expected": 3.0, "expected_+1sigma": 4.0, "expected_+2sigma": 5.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match="the place of axes in a grid"):
        signal_limits({"a": [bar]}, x_title="limit", ax=figure.add_axes((0, 0, 1, 1)))
