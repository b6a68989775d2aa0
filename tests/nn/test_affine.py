from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hepad.nn import affine, lif_kernel
from hepad.nn.affine import Stack

SIZES = (57, 32, 3, 17)


def stack(*, slope: float, plain: bool) -> Stack:
    rng = np.random.default_rng(3)
    layers = [
        (rng.standard_normal((o, i), dtype=np.float32), rng.standard_normal(o, dtype=np.float32), i != 3)
        for i, o in pairwise(SIZES)
    ]
    return Stack(layers, 512, slope=slope, plain=plain)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_the_compiled_layers_give_the_bits_of_numpy(slope: float, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(4).standard_normal((700, SIZES[0]), dtype=np.float32)
    for row, value in enumerate((np.inf, -np.inf, np.nan, 0.0, -0.0, 1e38, 1e-42)):
        x[row] = value
    layers, sizes = stack(slope=slope, plain=plain), []
    monkeypatch.setattr(layers, "_by_library", False)
    monkeypatch.setattr(affine, "KERNEL", "not loaded")
    with np.errstate(all="ignore"):
        expected = layers(x)
        monkeypatch.setattr(affine, "KERNEL", lif_kernel.__name__)
        monkeypatch.setattr(affine, "TWO_THREADS_FROM", 600)
        monkeypatch.setattr(affine, "both", lambda *halves: [sizes.append(half()) for half in halves])
        np.testing.assert_array_equal(layers(x), expected)
    assert len(sizes) == 2, "nothing was compiled"
    assert np.isfinite(expected[10:]).all()
    assert np.isnan(expected[2]).all()


def test_plain_layers_are_products_and_sums_rounded_each() -> None:
    """One column at a time, in numpy's scalars; the library is not asked."""
    layers = stack(slope=0.3, plain=True)
    first, relu = layers._layers[0]
    assert relu
    assert not first.by_library
    x = np.random.default_rng(5).standard_normal((SIZES[0], 2), dtype=np.float32)
    total = np.zeros((SIZES[1], 2), dtype=np.float32)
    for i in range(SIZES[0]):
        for e in range(2):
            total[:, e] = total[:, e] + first._weight[:, i] * x[i, e]
    np.testing.assert_array_equal(first(x), total + first._bias)


def test_the_compiled_loop_is_loaded_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "KERNEL", "not loaded")
    monkeypatch.setattr(affine, "COMPILE_AFTER", 100)
    layers, rows = stack(slope=0.0, plain=True), []
    monkeypatch.setattr(layers, "_compiled", lambda x, _: rows.append(len(x)))
    for _ in range(3):
        layers(np.zeros((50, SIZES[0]), dtype=np.float32))
    assert rows == [50]
