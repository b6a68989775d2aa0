"""Expressions of columns: numpy's own arithmetic, and nothing of Python besides."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import UsageError
from hepad.objects.expressions import Expression

COLUMNS = {"a": np.array([1.0, 4.0, 0.0]), "b": np.array([2.0, -3.0, 0.0])}


def test_values_are_those_of_numpy() -> None:
    a, b = COLUMNS["a"], COLUMNS["b"]
    for text, expected in (
        ("a", a),
        ("1000*a", 1000 * a),
        ("-a + b - 2", -a + b - 2),
        ("a**2 / 4", a**2 / 4),
        ("sqrt(a) + abs(b)", np.sqrt(a) + np.abs(b)),
        ("max(a, b) - min(a, b)", np.abs(a - b)),
        ("log(exp(a))", a),
    ):
        np.testing.assert_allclose(Expression(text).of(COLUMNS), expected, err_msg=text)
    assert np.isnan(Expression("a/b").of(COLUMNS)[2])
    assert Expression("max(a, 2*b)/c").columns == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1+", "is no expression of columns"),
        ("3*4", "is no expression of columns"),
        ("sqrt(2)", "is no expression of columns"),
        ("a" * 600, "is no expression of columns"),
        ("(" * 400 + "a" + ")" * 400, "is no expression of columns"),
        ("a.b", "'a.b' in 'a.b' is not understood"),
        ("__import__('os')", "is not understood"),
        ("a[0]", "is not understood"),
        ("sqrt(a, a)", "is not understood"),
        ("a if b else a", "is not understood"),
        ("a + True", "'True' in 'a + True' is not understood"),
        ("~" + "-" * 400 + "a", "is not understood"),
        ("a * 1" + "0" * 400, "has a number that is too large"),
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="expression") as error:
        Expression(text)
    assert said in str(error.value)
