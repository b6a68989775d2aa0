"""Foreign text, such as names of files and texts of cards, as it may be shown: in a terminal, in HTML, in Markdown."""

from __future__ import annotations

import re

__all__ = ["NAME", "digits", "is_number", "markdown", "printable"]

# C0 and C1 controls, with which a terminal is driven; line separators; marks that turn the direction of writing; and
# surrogates, which stand for bytes of file names that are no text.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What makes code, emphasis, columns, tags, links and entities, and at its beginning headings, lists and quotations.
_MARKS = re.compile(
    r"[`*|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|<(?=[A-Za-z/!?])|\](?=[(\[:])|~~|&(?=#?\w+;)|\\(?=[!-/:-@\[-`{-~])"
    r"|\A\s*(?:#|>|[-+=](?=[\s=-])|\d+[.)](?=\s))"
)

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
"""A pattern of names that users give: they become parts of file names, tables and commands."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with an escape, \x1b say, in place of each character that does something instead of being seen.

    A line break in a name could begin a line that reads as ours: it is escaped too, unless the text has `lines`.
    """
    return _UNSEEN.sub(lambda found: found[0] if lines and found[0] in "\n\t" else _escape(found[0]), text)


def is_number(text: str) -> bool:
    """Whether it reads as a number; infinity and NaN do."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def markdown(text: str) -> str:
    """The text as Markdown that shows it as it is, also within a table: no heading, tag, link or column is made."""
    return printable(_MARKS.sub(lambda found: found[0][:-1] + "\\" + found[0][-1:], text))


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def digits(value: float, count: int = 3) -> str:
    """A number with so many significant digits, in full up to a million: 4530 beside 935, not 4.53e+03."""
    text = f"{value:.{count}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e6 else text
