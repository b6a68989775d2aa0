from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hepad.nn.inference import BLOCK, evaluate


@pytest.mark.parametrize("rows", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_rows_come_back_in_order_without_the_padding(rows: int) -> None:
    x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    doubled, total = evaluate(nn.Identity(), lambda x: (2 * x, x.sum(dim=1)), [x], 2)
    np.testing.assert_array_equal(doubled, 2 * x)
    np.testing.assert_array_equal(total, x.sum(axis=1))
    assert doubled.dtype == total.dtype == np.float32


@pytest.mark.parametrize("sizes", [(19, 24), (24, 12), (12, 4), (4, 12), (57, 32), (32, 57), (3, 16)])
def test_a_row_gives_the_same_bits_at_each_place_in_a_block(sizes: tuple[int, int]) -> None:
    layer = nn.Linear(*sizes)
    x = np.random.default_rng(1).standard_normal((BLOCK + 50, sizes[0])).astype(np.float32)
    (whole,) = evaluate(layer, lambda x: (layer(x),), [x], 1)
    for start in (*range(1, 40), 511, 1000):
        (part,) = evaluate(layer, lambda x: (layer(x),), [x[start:]], 1)
        np.testing.assert_array_equal(part, whole[start:])


def test_the_last_block_is_padded_with_zeros_and_gradients_are_off() -> None:
    seen = []

    def look(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen.append((x.clone(), torch.is_grad_enabled(), torch.get_num_threads()))
        return (x,)

    evaluate(nn.Identity(), look, [np.ones((BLOCK + 3, 1))], 1)
    x, gradients, threads = seen[1]
    assert x.sum() == 3
    assert not gradients
    assert threads == 1
