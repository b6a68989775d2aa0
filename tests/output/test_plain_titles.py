"""Formulae of titles as characters."""

from __future__ import annotations

import pytest

from hepad.output.plain_titles import plain_title


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("two-prong, 5 $ each", "two-prong, 5 $ each"),
        (r"$h_0 \to \tau\tau$", "h\u2080 \u2192 \u03c4\u03c4"),
        (r"$h^{\!+} \to \tau\nu$", "h\u207a \u2192 \u03c4\u03bd"),
        (r"$A \to 4\ell$ and $\Lambda\bar{t}$", "A \u2192 4\u2113 and \u039bt\u0304"),
        (r"$X(3.5\,\mathrm{TeV}) \to 500$", "X(3.5 TeV) \u2192 500"),
        (r"$W' \to B't$", "W' \u2192 B't"),
        (r"$E_\mathrm{T}^\mathrm{miss}$, $m_{jj}$, $10^{-12}$", "E_T^miss, m_jj, 10\u207b\u00b9\u00b2"),
        (r"$\unknown{x}$", "unknownx"),
    ],
)
def test_formulae_are_characters(title: str, plain: str) -> None:
    assert plain_title(title) == plain
