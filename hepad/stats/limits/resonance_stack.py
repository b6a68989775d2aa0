"""The channels of a search for a resonance as one set of bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hepad.stats.fits.fit import Design
from hepad.stats.limits.resonance_channel import ResonanceChannel
from hepad.stats.limits.resonance_likelihood import Terms

__all__ = ["split_channels", "stack_channels"]

FloatArray = npt.NDArray[np.float64]


def stack_channels(channels: Sequence[ResonanceChannel], signal_logs: FloatArray) -> tuple[Terms, FloatArray]:
    """The channels as one set of bins, and a start (k,) for the parameters of the backgrounds."""
    features, weights, starts, constrained, spurious = [], [], [], [], []
    for channel in channels:
        if channel.function is None:
            errors = [np.log1p(channel.background_error)] if channel.background_error > 0 else []
            features.append(np.tile(np.array(errors), (len(channel.signal), 1, 1)))
            weights.append(np.asarray(channel.background)[:, None])
            starts.append(np.zeros(len(errors)))
        else:
            counts = channel.prior_counts
            design = Design(channel.edges, counts, channel.function, exposure=channel.exposure)
            features.append(design.features)
            weights.append(design.weights)
            starts.append(design.start(counts))
        constrained.append(np.full(features[-1].shape[2], channel.function is None))
        shape = channel.signal / channel.signal.sum() if channel.signal.sum() > 0 else channel.signal
        spurious.append(channel.spurious * shape)
    return (
        Terms(
            signal=np.concatenate([channel.signal for channel in channels]),
            signal_logs=signal_logs,
            spurious=_diagonal(spurious)[:, [bool(np.any(column > 0)) for column in spurious]],
            floor=np.zeros(sum(len(channel.signal) for channel in channels)),
            features=_blocks(features),
            weights=_padded(weights, max(block.shape[1] for block in features)),
            constrained=np.concatenate(constrained),
        ),
        np.concatenate(starts),
    )


def _diagonal(columns: Sequence[FloatArray]) -> FloatArray:
    """Columns (n_i,) as the blocks of a matrix (n, c)."""
    out = np.zeros((sum(len(column) for column in columns), len(columns)))
    row = 0
    for i, column in enumerate(columns):
        out[row : row + len(column), i] = column
        row += len(column)
    return out


def _blocks(features: Sequence[FloatArray]) -> FloatArray:
    """Features (n_i, q_i, k_i) as the blocks of an array (n, max q, k)."""
    n, q, k = (sum(f.shape[0] for f in features), max(f.shape[1] for f in features), sum(f.shape[2] for f in features))
    out = np.zeros((n, q, k))
    row = column = 0
    for block in features:
        out[row : row + block.shape[0], : block.shape[1], column : column + block.shape[2]] = block
        row, column = row + block.shape[0], column + block.shape[2]
    return out


def _padded(weights: Sequence[FloatArray], nodes: int) -> FloatArray:
    """Weights (n_i, q_i) below one another (n, nodes), filled up with zeros."""
    return np.concatenate([np.pad(block, ((0, 0), (0, nodes - block.shape[1]))) for block in weights])


def split_channels(channels: Sequence[ResonanceChannel], values: FloatArray) -> list[FloatArray]:
    """Values of the stacked bins by channel."""
    return np.split(values, np.cumsum([len(channel.signal) for channel in channels])[:-1])
