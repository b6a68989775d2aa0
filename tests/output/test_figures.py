"""Figures are saved whatever the names in them are, and no library complains: warnings are errors here."""

from __future__ import annotations

from collections import Counter

import pytest
from matplotlib._mathtext import Parser
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.mathtext import MathTextParser

from hepad.output.figures import save_figure

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
    png, pdf = save_figure(figure(name), tmp_path / "f")
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
    save_figure(made, tmp_path / "f")
    assert MathTextParser._parse_cached is before
    assert r"$\alpha_{77}$" in {text for text, _, _ in seen}
    assert max(seen.values()) <= 2  # the check whether it can be set is of another font


def test_axes_that_labels_leave_no_room_are_there_all_the_same(tmp_path):
    made = figure("x")
    made.set_size_inches(0.6, 0.4)
    save_figure(made, tmp_path / "f", kinds=("png",))
    assert (tmp_path / "f.png").stat().st_size > 0
