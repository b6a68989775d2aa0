"""Sparse rows, against the plain array of the same numbers."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.inputs.detector_image import DetectorImageCard
from hepad.inputs.layout import Layout
from hepad.inputs.sparse import SparseRows
from hepad.samples.background import batch_columns, batch_of

SHAPE = (9, 2, 4, 5)


@pytest.fixture
def both() -> tuple[SparseRows, np.ndarray]:
    rng = np.random.default_rng(1)
    pixel = rng.integers(0, 360, 80)
    pixel = pixel[pixel // 40 != 4]  # a row without anything
    energy = rng.exponential(1, len(pixel))
    energy[:3] = 0
    plain = np.bincount(pixel, energy, minlength=360).astype(np.float32).reshape(SHAPE)
    return SparseRows.summed(pixel, energy, SHAPE), plain


def same(found: Any, expected: np.ndarray) -> None:
    assert isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


ORDER = np.array([3, 3, 0, 8, -1, 4])
MASK = np.arange(9) % 2 == 0


@pytest.mark.parametrize(
    "key",
    [slice(2, 7), slice(None, None, -2), ORDER, MASK, 5, np.int64(5), (slice(1, 4), 1), (slice(0, 0), ...), (ORDER, 1),
     ..., None, (0, 1, 2, 3), (ORDER, [0, 1, 0, 1, 0, 1])],
)  # fmt: skip
def test_indices_are_those_of_the_plain_array(both: tuple[SparseRows, np.ndarray], key: Any) -> None:
    sparse, plain = both
    np.testing.assert_array_equal(sparse[key], plain[key])


def test_it_is_the_plain_array(both: tuple[SparseRows, np.ndarray]) -> None:
    sparse, plain = both
    same(np.asarray(sparse), plain)
    same(np.asarray(sparse, dtype=np.float64), plain.astype(np.float64))
    assert (sparse.shape, sparse.ndim, len(sparse), sparse.dtype) == (SHAPE, 4, 9, plain.dtype)
    same(sparse * np.float32(2), plain * np.float32(2))
    same(np.float32(1) - sparse, 1 - plain)
    same(sparse > 0.5, plain > 0.5)
    same(np.log1p(sparse), np.log1p(plain))
    same(sparse.reshape(9, -1), plain.reshape(9, -1))
    same(np.where(MASK[:, None, None, None], sparse, 0), np.where(MASK[:, None, None, None], plain, 0))
    same(sparse[plain > 0.3], plain[plain > 0.3])
    assert sparse.sum() == plain.sum()
    same(np.asarray(sparse.map(np.sqrt)), np.sqrt(plain))
    assert np.count_nonzero(plain) == len(sparse.value)
    same(np.asarray(pickle.loads(pickle.dumps(sparse))), plain)
    with pytest.raises(AttributeError, match="no_such"):
        _ = sparse.no_such


def test_taking_and_joining_keep_it_sparse(both: tuple[SparseRows, np.ndarray]) -> None:
    sparse, plain = both
    batch = Batch("detector_image", Layout.image(("a", "b"), 4, 5), sparse, None, np.arange(9.0))  # type: ignore[arg-type]
    for rows in (ORDER, MASK, slice(2, 7), slice(0, 0)):
        found = batch.take(rows)
        assert isinstance(found.x, SparseRows)
        same(np.asarray(found.x), plain[rows])
        assert found.weight.tolist() == np.arange(9.0)[rows].tolist()
    joined = Batch.concatenate([batch.take(ORDER), batch.take(slice(0, 0)), batch.take(MASK)])
    assert isinstance(joined.x, SparseRows)
    same(np.asarray(joined.x), np.concatenate([plain[ORDER], plain[MASK]]))
    mixed = Batch.concatenate([batch, Batch(batch.kind, batch.layout, plain, None, batch.weight)])
    same(mixed.x, np.concatenate([plain, plain]))


def test_columns_of_parts_are_joined_one_by_one(both: tuple[SparseRows, np.ndarray]) -> None:
    """As a run does it with the parts of a training's background."""
    sparse, plain = both
    kind = make_input(DetectorImageCard(kind="detector_image", channels=("track", "ecal"), eta_bins=20, phi_bins=25))
    whole = Batch(kind.kind, kind.layout, sparse, None, np.arange(9.0), {"track_count": np.arange(9)})  # type: ignore[arg-type]
    parts = [batch_columns(whole.take(slice(start, start + 4))) for start in (0, 4, 8)]
    joined = batch_of(kind, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    assert isinstance(joined.x, SparseRows)
    same(np.asarray(joined.x), plain)
    assert joined.beside["track_count"].tolist() == list(range(9))
    assert joined.x.nbytes < plain.nbytes
