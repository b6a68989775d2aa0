"""Titles of figures, which may have formulae of matplotlib in them, as the characters of a table.

`$h^{+} \\to \\tau\\nu$` is h\u207a \u2192 \u03c4\u03bd: what terminals and pages show without anything to set formulae.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain_title"]

_SYMBOLS = {
    "to": "\u2192",
    "rightarrow": "\u2192",
    "ell": "\u2113",
    "pm": "\u00b1",
    "mp": "\u2213",
    "times": "\u00d7",
    "cdot": "\u00b7",
    "infty": "\u221e",
    "prime": "\u2032",
    "sim": "~",
    "approx": "\u2248",
    "geq": "\u2265",
    "leq": "\u2264",
    "varepsilon": "\u03b5",
    "varphi": "\u03c6",
    "quad": " ",
    "dots": "\u2026",
    "ldots": "\u2026",
}
_ACCENTS = {"bar": "\u0304", "overline": "\u0304", "tilde": "\u0303", "widetilde": "\u0303", "hat": "\u0302"}
_SCRIPTS = {
    "^": dict(
        zip(
            "0123456789+-=()ni*\u00b1'",
            "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207c\u207d\u207e\u207f\u2071*\u00b1'",
            strict=True,
        )
    ),
    "_": dict(
        zip(
            "0123456789+-=()aeioxhklmnpst",
            "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089\u208a\u208b\u208c\u208d\u208e\u2090\u2091\u1d62\u2092\u2093\u2095\u2096\u2097\u2098\u2099\u209a\u209b\u209c",
            strict=True,
        )
    ),
}
_FONTS = re.compile(r"\\(?:mathrm|mathit|mathbf|mathsf|mathcal|text|rm|it)\s*(?=\{)")
_SPACES = re.compile(r"\\[,;: ]|~")
_TOKEN = re.compile(r"\\([A-Za-z]+)\s*")
_GROUP = re.compile(r"\{([^{}]*)\}")


def plain_title(text: str) -> str:
    """The title with formulae in characters; what has none, as e in a superscript, keeps its sign: `x^e`."""
    return re.sub(r"\$([^$]*)\$", lambda found: _formula(found[1]), text)


def _formula(text: str) -> str:
    text = _SPACES.sub(" ", _FONTS.sub("", text.replace("\\!", "")))
    text = _TOKEN.sub(lambda found: _symbol(found[1]), text)
    accented = "|".join(_ACCENTS)
    text = re.sub(rf"\\({accented})\s*(?:\{{(\w)\}}|(\w))", lambda m: (m[2] or m[3]) + _ACCENTS[m[1]], text)
    text = re.sub(r"([_^])(?:\{([^{}]*)\}|(\S))", lambda m: _script(m[1], m[2] if m[3] is None else m[3]), text)
    while _GROUP.search(text):
        text = _GROUP.sub(r"\1", text)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _symbol(name: str) -> str:
    if name in _ACCENTS:
        return f"\\{name}"
    if name in _SYMBOLS:
        return f" {_SYMBOLS[name]} " if _SYMBOLS[name] == _SYMBOLS["to"] else _SYMBOLS[name]
    kind = "CAPITAL" if name[:1].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {kind} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")
    except KeyError:
        return name


def _script(sign: str, text: str) -> str:
    known = _SCRIPTS[sign]
    text = text.strip()
    return "".join(known[c] for c in text) if all(c in known for c in text) else f"{sign}{text}"
