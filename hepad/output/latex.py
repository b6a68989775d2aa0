"""The tables of a report as LaTeX, to be copied into a paper or to be read by it as a whole."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from hepad.output.document import Block, Heading, Table
from hepad.printable import printable

__all__ = ["TABLES", "TABLES_FILE", "latex", "to_latex"]

TABLES = "tables.tex"
"""The file beside a report."""

TABLES_FILE = (TABLES, "the tables in LaTeX")
"""The same among the files that a report names."""

_HEAD = r"% The tables of report.html. With \input{tables} they stand in a document that needs no package for them."

_NAMES = {
    **{letter: unicodedata.name(letter).split()[-1].lower() for letter in "αβγδεζηθικμνξπρστυφχψω"},
    **{letter: unicodedata.name(letter).split()[-1].capitalize() for letter in "ΓΔΘΞΠΣΦΨΩ"},
    "λ": "lambda",
    "Λ": "Lambda",  # which Unicode spells lamda
    "±": "pm",
    "∓": "mp",
    "·": "cdot",
    "≈": "approx",
    "≤": "leq",
    "≥": "geq",
    "≠": "neq",
    "→": "to",
    "∞": "infty",
    "µ": "mu",
    "\N{MULTIPLICATION SIGN}": "times",
    "\N{SQUARE ROOT}": "surd",
    "\N{SCRIPT SMALL L}": "ell",
}
"""What LaTeX calls characters that stand in formulae alone."""

_CHARACTERS = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",  # for which fonts have another letter, as for the next
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # which after the end of a row begins an argument, or is one, as a star
    "]": "{]}",
    "*": "{*}",
    "-": "-{}",  # two of which are drawn as a dash
    "\N{NO-BREAK SPACE}": "~",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{MINUS SIGN}": r"\(-\)",
    "\N{DEGREE SIGN}": r"\(^{\circ}\)",
    "\N{PRIME}": r"\('\)",
    **{letter: letter for letter in "ßæøœłÆØŒŁ"},
    **{letter: rf"\(\{name}\)" for letter, name in _NAMES.items()},
}

_ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
"""Those that LaTeX has for every letter."""

_OVER = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar"}
"""What stands above the letter before it, in the titles of signals."""
_SCRIPTS = {"<super>": "^", "<sub>": "_"}

_MEANT = re.compile(
    r"(?<![\w.])(?P<digits>-?\d+(?:\.\d+)?)e(?P<sign>[+-])0*(?P<power>\d+)(?![\w.])"  # 1.2e-05
    r"|(?<![\w.)\]-])(?P<minus>-)(?=\.?\d)|(?<=\b[afpn]b)(?P<inverse>-1)\b"
    rf"|(?P<letter>[A-Za-z{''.join(filter(str.isalpha, _NAMES))}])(?P<over>[{''.join(_OVER)}])"
    r"|-(?=-)|[^ -~]|[&%$#_{}\\~^`<>|\"\[\]*]"
)


def to_latex(blocks: Sequence[Block]) -> str:
    """Each table of a report, with the heading that it stands below; nothing if there is none."""
    made, heading = [], ""
    for block in blocks:
        if isinstance(block, Heading):
            heading = block.text
        elif isinstance(block, Table):
            made.append(_table(block, heading))
    return "\n\n".join([_HEAD, *made]) + "\n" if made else ""


def latex(text: str) -> str:
    """Foreign text as LaTeX that shows it as it is, and does nothing; numbers such as -1.2e-05 are set as numbers.

    A character that not every font of LaTeX has is told by its number, U+2713.
    """
    return _MEANT.sub(_shown, printable(text))


def _shown(found: re.Match[str]) -> str:
    if found["digits"]:
        power = f"{'-' if found['sign'] == '-' else ''}{found['power']}"
        return rf"\({found['digits']}\times10^{{{power}}}\)"
    if found["over"]:
        letter = found["letter"]
        name = rf"\{_NAMES[letter]}" if letter in _NAMES else letter
        return rf"\(\{_OVER[found['over']]}{{{name}}}\)"
    if found["inverse"]:
        return r"\(^{-1}\)"
    return r"\(-\)" if found["minus"] else _character(found[0])


def _character(character: str) -> str:
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    plain = unicodedata.normalize("NFKC", character).replace("\N{MINUS SIGN}", "-")
    script = _SCRIPTS.get(unicodedata.decomposition(character).partition(" ")[0])
    if script and re.fullmatch(r"[0-9a-zA-Z+=()-]", plain):
        return rf"\({script}{{{plain}}}\)"
    composed, parts = unicodedata.normalize("NFC", character), unicodedata.normalize("NFD", character)
    if composed < "\u0180" and parts[0].isascii() and parts[0].isalpha() and parts[1:] in _ACCENTS:
        return composed
    return f"U+{ord(character):04X}"


def _table(table: Table, heading: str) -> str:
    width = max((len(row) for row in (table.header, *table.rows)), default=1)
    columns = "".join("l" if place < table.numbers_from else "r" for place in range(width))
    header = [_row(table.header), r"\hline"] if any(table.header) else []
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", *header, *map(_row, table.rows), r"\hline"]
    caption = [rf"\caption{{{latex(heading)}}}"] if heading else []
    return "\n".join([r"\begin{table}", r"\centering", *caption, *lines, r"\end{tabular}", r"\end{table}"])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"
