"""Tables of reports in LaTeX: what is foreign is shown and does nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hepad.output.closing import write_page
from hepad.output.document import Answer, Block, Heading, Table, Text
from hepad.output.latex import latex, to_latex

RECORD = {"hepad": "1", "python": "3", "packages": {}, "inputs": [], "cards": {}, "command": "hepad x"}
BLOCKS: list[Block] = [
    Heading("Runs of 5 %", 1),
    Answer("yes"),
    Table(["name", "p [%]", "N"], [["a_b", "-1.2e-05", "3 ± 0.1"], ["[c]", "1e+03", ""]]),
    Heading("Keys"),
    Table(["", ""], [["key & value", "x"]], numbers_from=2),
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a & b % c # d_e {f} $g$", r"a \& b \% c \# d\_e \{f\} \$g\$"),
        ("\\input{/etc/x}", r"\textbackslash{}input\{/etc/x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("[1] *2 a|b <c>", r"{[}1{]} {*}2 a\textbar{}b \textless{}c\textgreater{}"),
        ("-1.2e-05 to -3, 2e+10", r"\(-1.2\times10^{-5}\) to \(-\)3, \(2\times10^{10}\)"),
        ("2017-11 --toys dijet-3 abc1e-5", r"2017-11 -{}-toys dijet-3 abc1e-5"),
        ("\N{MINUS SIGN}2 ± 1 → χ µ Λ", r"\(-\)2 \(\pm\) 1 \(\to\) \(\chi\) \(\mu\) \(\Lambda\)"),
        ("137 fb-1, 10⁻³ cm²", r"137 fb\(^{-1}\), 10\(^{-}\)\(^{3}\) cm\(^{2}\)"),
        (
            "h₀⁺ → ττ, Λ\u0304t\u0304 4\N{SCRIPT SMALL L}",
            r"h\(_{0}\)\(^{+}\) \(\to\) \(\tau\)\(\tau\), \(\bar{\Lambda}\)\(\bar{t}\) 4\(\ell\)",
        ),
        ("é ø 中 ✓ \n", r"é ø U+4E2D U+2713 \textbackslash{}x0a"),
    ],
)
def test_text_is_shown_as_it_is_and_numbers_as_numbers(text: str, shown: str) -> None:
    assert latex(text) == shown


def test_of_every_character_nothing_is_left_that_does_something() -> None:
    """What LaTeX acts on is behind a backslash; beside ASCII there are only letters that each font has."""
    for code in range(0x20, 0x3000):
        said = latex(chr(code))
        bare = re.sub(r"\\[&%$#_{}]|\\[a-zA-Z]+\{\}|\\\((.*?)\\\)|\{[\[\]*]\}", "", said)
        assert not re.search(r"[\\&%$#_{}^`<>|\"\[\]*]", bare), chr(code)
        assert said.isascii() or re.fullmatch(r"[À-ž]", said), chr(code)


def test_each_table_has_its_heading_and_as_many_cells_as_columns() -> None:
    first, second = to_latex(BLOCKS).split(r"\begin{table}")[1:]
    assert r"\caption{Runs of 5 \%}" in first
    assert r"\begin{tabular}{lrr}" in first
    assert r"a\_b & \(-1.2\times10^{-5}\) & 3 \(\pm\) 0.1 \\" in first.splitlines()
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in first.splitlines() if line.endswith(r" \\"))
    assert second.count(r"\hline") == 2  # without a header
    assert r"\begin{tabular}{ll}" in second
    assert to_latex([Heading("x"), Text("y")]) == ""


def test_a_report_names_its_tables_if_it_has_some(tmp_path: Path) -> None:
    for name, blocks in (("with", BLOCKS), ("without", BLOCKS[:2])):
        (tmp_path / name).mkdir()
        write_page(tmp_path / name, blocks, RECORD, [])
    assert (tmp_path / "with" / "tables.tex").read_text("utf-8") == to_latex(BLOCKS)
    assert 'href="tables.tex"' in (tmp_path / "with" / "report.html").read_text("utf-8")
    assert [path.name for path in (tmp_path / "without").iterdir()] == ["report.html"]
