"""Assertions that several contracts share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import HepadError

__all__ = ["assert_same", "raises"]


@contextmanager
def raises(kind: type[HepadError], message: str) -> Iterator[None]:
    """`AssertionError` unless the body raises an error of the kind whose text holds the message."""
    try:
        yield
    except kind as error:
        assert message in str(error), f"{error} does not say {message!r}"
    else:
        raise AssertionError(f"no {kind.__name__} with {message!r}")


def assert_same(first: Mapping[str, npt.NDArray[Any]], second: Mapping[str, npt.NDArray[Any]]) -> None:
    """`AssertionError` unless two sets of arrays are the same, bit for bit."""
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)
