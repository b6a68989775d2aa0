"""Figures are saved whatever the names in them are, and no library complains: warnings are errors here."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from matplotlib._mathtext import Parser
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.mathtext import MathTextParser

from hepad.cli.every_command import DRAWING
from hepad.errors import UsageError
from hepad.output import figure_files
from hepad.output.document import Figure as Picture
from hepad.output.document import Text, to_markdown
from hepad.output.figure_kinds import drawing, figure_kinds, parse_kinds, parse_titles
from hepad.output.figure_numbers import keep_matrix, keep_numbers
from hepad.output.figures import save_figure, save_figures
from hepad.output.page import to_html

ODD = [
    "ESC \x1b[31m",
    "日本",
    "tab\tand\nline",
    r"$\undefinedmacro{$",
    r"$m_{jj <b>$ and $x",
    "a" * 400,
    "\ud800",
    "\U0001f4a5",
]


def figure(name: str) -> Figure:
    made = Figure(figsize=(4, 3), layout="constrained")
    axes = made.subplots()
    axes.plot([0, 1], [0, 1], label=name)
    axes.set(title=name, xlabel=name, ylabel=name)
    axes.set_xticks([0, 1], [name, name])
    axes.legend()
    return made


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_any_name_is_drawn(tmp_path, name):
    png, pdf = save_figure(figure(name), tmp_path / "f", kinds=("png", "pdf"))
    assert max(imread(png).shape) < 3000  # 400 characters would make it wider
    assert pdf.read_bytes().startswith(b"%PDF")


def test_what_can_be_drawn_is_drawn_as_it_is(tmp_path):
    for name in ("Z' of 3.5 TeV", "$m_{jj}$ [GeV]", "± μ é →", r"100 \$"):
        made = figure(name)
        save_figure(made, tmp_path / "f", kinds=("png",))
        assert made.get_axes()[0].get_title() == name
    made = figure("a\x1bb 日 " + "x" * 200)
    save_figure(made, tmp_path / "f", kinds=("png",))
    assert made.get_axes()[0].get_title().startswith(r"a\x1bb \u65e5 xxx")
    assert len(made.get_axes()[0].get_title()) == 100


def test_a_formula_is_set_once_and_matplotlib_left_as_it_was(tmp_path, monkeypatch):
    before, plain, seen = MathTextParser._parse_cached, Parser.parse, Counter()

    def parse(self, text, fonts, size, dpi):
        seen[text, size, dpi] += 1
        return plain(self, text, fonts, size, dpi)

    monkeypatch.setattr(Parser, "parse", parse)
    made = figure(r"$\alpha_{77}$")
    made.get_axes()[0].set(yscale="log", ylim=(1e-77, 1))
    save_figure(made, tmp_path / "f", kinds=("png", "pdf"))
    assert MathTextParser._parse_cached is before
    assert r"$\alpha_{77}$" in {text for text, _, _ in seen}
    assert max(seen.values()) <= 2  # the check whether it can be set is of another font


def test_axes_that_labels_leave_no_room_are_there_all_the_same(tmp_path):
    made = figure("x")
    made.set_size_inches(0.6, 0.4)
    save_figure(made, tmp_path / "f", kinds=("png",))
    assert (tmp_path / "f.png").stat().st_size > 0


def test_ticks_are_placed_once_for_a_range_and_size_and_are_where_they_were(tmp_path, monkeypatch):
    """The picture is that of matplotlib, which places those of an axis twenty times."""

    def made() -> Figure:
        one = figure("x")
        one.get_axes()[0].set(yscale="log", ylim=(1e-3, 1e5))
        return one

    plain, placed = Axis._update_ticks, []

    def place(axis: Axis) -> list[Any]:
        placed.append(axis)
        return plain(axis)

    monkeypatch.setattr(Axis, "_update_ticks", place)
    save_figure(made(), tmp_path / "kept", kinds=("png",))
    assert Axis._update_ticks is place
    kept = len(placed)
    monkeypatch.setattr(figure_files, "_ticks_kept", nullcontext)
    save_figure(made(), tmp_path / "plain", kinds=("png",))
    assert kept < (len(placed) - kept) / 3
    assert (tmp_path / "kept.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_the_kinds_are_those_asked_for(tmp_path):
    for text, kinds in (("none", ()), ("png", ("png",)), ("svg,pdf,png", ("png", "pdf", "svg"))):
        assert parse_kinds(text) == kinds
        with drawing(kinds):
            assert [path.suffix[1:] for path in save_figure(figure("x"), tmp_path / "f")] == [*kinds]
        assert figure_kinds() == ("png",)
    for text in ("", "eps", "png,", "png,png", "none,png"):
        with pytest.raises(UsageError, match="write png, pdf, svg, several as in png,pdf, or none"):
            parse_kinds(text)


def test_a_report_names_the_figures_that_are_there(tmp_path):
    blocks = [Text("before"), Picture("a b.png", "what it is"), Text("after")]
    (tmp_path / "a b.png").write_bytes(b"x")
    with drawing(("png", "pdf")):
        assert "![what it is](a%20b.png)" in to_markdown(blocks)
        assert "base64,eA==" in to_html(blocks, tmp_path)
    with drawing(("pdf",)):
        assert "[what it is](a%20b.pdf)" in to_markdown(blocks)
        assert '<a href="a%20b.pdf">what it is</a>' in to_html(blocks, tmp_path)
    with drawing(()):
        assert to_markdown(blocks) == "before\n\nafter\n"
        assert "what it is" not in to_html(blocks, tmp_path)


def test_every_verb_with_figures_has_the_option():
    """`hepad` asks those that draw as what, and no others: --figures without effect is refused."""
    folder = Path(figure_files.__file__).parents[1] / "pipeline"
    saving = ("save_figure(", "save_figures(")
    texts = {path.relative_to(folder): path.read_text("utf-8") for path in folder.rglob("*.py")}
    drawn = [path for path, text in texts.items() if any(call in text for call in saving)]
    verbs = {path.parts[0].removesuffix(".py") for path in drawn}
    assert verbs - {"closure"} | {"bumphunt2d"} == DRAWING


def test_a_name_is_replaced_by_its_title_wherever_it_stands_alone(tmp_path: Path) -> None:
    made = figure("hplus")
    with drawing(("png",), titles=parse_titles(["hplus=$H^+$"])):
        save_figure(made, tmp_path / "f")
        (axes,) = made.axes
        ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert [axes.get_title(), axes.get_legend().get_texts()[0].get_text(), *ticks] == ["$H^+$"] * 4
    for wrong in (["hplus"], ["=x"], ["a=b", "a=c"]):
        with pytest.raises(UsageError, match="NAME=TEXT"):
            parse_titles(wrong)


def test_the_numbers_of_a_figure_are_a_table_beside_it(tmp_path: Path) -> None:
    made = Figure()
    axes = made.subplots()
    keep_numbers(axes, model="a, b", x=[1, 2], y=[0.1, float("nan")], high=None, first=["r"])
    keep_matrix(made.add_subfigure(axes.get_subplotspec()), {"z": [[1.0, 2.0]]}, {"x": [7]}, {"col": ["p", "q"]})
    save_figure(made, tmp_path / "f", kinds=("png",))
    table = '"a, b",1,0.1,r,,\n"a, b",2,,,,\n,7,,,p,1\n,7,,,q,2\n'
    assert (tmp_path / "f.csv").read_text() == f"model,x,y,first,col,z\n{table}"
    (tmp_path / "g.csv").write_text("a table of the verb")
    save_figure(made, tmp_path / "g", numbers="g_drawn")
    assert (tmp_path / "g.csv").read_text() == "a table of the verb"
    assert (tmp_path / "g_drawn.csv").read_bytes() == (tmp_path / "f.csv").read_bytes()
    keep_numbers(axes, x=0.1 + 0.2)
    save_figure(made, tmp_path / "f")
    assert (tmp_path / "f.csv").read_text().endswith("\n,0.30000000000000004,,,,\n")
    save_figure(made, tmp_path / "h", numbers=False)
    save_figure(made, tmp_path / "i", kinds=())
    assert not {"h.csv", "i.csv"} & {path.name for path in tmp_path.iterdir()}


def test_what_is_not_written_is_not_drawn(tmp_path: Path) -> None:
    drawn = []

    def figures():
        for name in ("one", "two"):
            drawn.append(name)
            yield name, Figure()

    with drawing(()):
        assert save_figures(figures(), tmp_path) == drawn == []
    assert save_figures(figures(), tmp_path) == drawn == ["one", "two"]
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "two.png"}
