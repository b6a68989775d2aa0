"""Expressions of the columns of a table: `j1_tau2/j1_tau1`, `1000*mjj`, `log(j1_pt)`.

Parsed by Python's own parser, of which names, numbers, + - * / **, and a few functions of numbers are taken; nothing
is ever run as Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError

__all__ = ["Expression"]

_Floats = npt.NDArray[np.float64]

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "abs": (np.abs, 1),
    "sqrt": (np.sqrt, 1),
    "log": (np.log, 1),
    "exp": (np.exp, 1),
    "min": (np.minimum, 2),
    "max": (np.maximum, 2),
}
_LONGEST = 500
"""Characters of an expression: what is nested deeper than Python's parser likes is longer."""


@dataclass(frozen=True)
class Expression:
    """An expression as it was written; `UsageError` that names what is not understood."""

    text: str

    def __post_init__(self) -> None:
        _walk(self._tree, None, self.text)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it is made of; at least one."""
        nodes = list(ast.walk(self._tree))
        functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        return frozenset(n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in functions)

    def of(self, columns: Mapping[str, _Floats]) -> _Floats:
        """Its values (n,) for columns (n,) by name, in double precision; NaN or infinite where it has none."""
        with np.errstate(all="ignore"):
            return np.asarray(_walk(self._tree, columns, self.text), dtype=np.float64)

    @property
    def _tree(self) -> ast.expr:
        try:
            tree = ast.parse(self.text[:_LONGEST].strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UsageError(f"{self.text[:80]!r} is no expression of columns, such as j1_tau2/j1_tau1") from error
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        if len(self.text) > _LONGEST or not names or all(name.id in _FUNCTIONS for name in names):
            raise UsageError(f"{self.text[:80]!r} is no expression of columns, such as j1_tau2/j1_tau1")
        return tree


def _walk(node: ast.expr, columns: Mapping[str, _Floats] | None, text: str) -> Any:
    """The value of a node; without columns only whether it is understood."""
    if isinstance(node, ast.Name):
        return 1.0 if columns is None else columns[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        try:
            return float(node.value)
        except OverflowError as error:
            raise UsageError(f"the expression {text[:80]!r} has a number that is too large") from error
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _walk(node.operand, columns, text)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_walk(side, columns, text) for side in (node.left, node.right))
        return 1.0 if columns is None else _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        function, count = _FUNCTIONS[node.func.id]
        if len(node.args) == count and not node.keywords:
            values = [_walk(argument, columns, text) for argument in node.args]
            return 1.0 if columns is None else function(*values)
    raise UsageError(
        f"{ast.get_source_segment(text.strip(), node)!r} in {text!r} is not understood: an expression has columns, "
        f"numbers, + - * / ** and {', '.join(_FUNCTIONS)}"
    )
