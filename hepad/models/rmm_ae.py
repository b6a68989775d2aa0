"""Autoencoder for rapidity-mass matrices, as the ATLAS search for two-body resonances uses one.

Reference: ATLAS Collaboration, arXiv:2307.01612 (Phys. Rev. Lett. 132 (2024) 081801): 1287 inputs, hidden layers of
800, 400, 200, 400 and 800 neurons with leaky ReLU, and the logarithm of the loss as the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.nn.autoencoder import Autoencoder, mirrored
from hepad.nn.scorer import FitReport, Scores, State, TrainingData

if TYPE_CHECKING:
    from torch import nn

__all__ = ["RmmAutoencoder", "RmmConfig"]

BLOCK = 512
"""Events at a time. Matrix libraries choose their kernel by the shape: with one shape, and padding, an event's score
does not depend on the events around it. Unlike those of the small autoencoders, scores may differ in their last digits
from one processor to another."""


class RmmConfig(Card):
    """`layers`: widths from the first hidden layer down to the latent one; the decoder mirrors them.

    `slope`: of the leaky ReLU below zero. `gain`: the network works on the input times this, for cells of a few
    hundredths drown in the noise of a training whose weights are of order one; scores are in the input's own units.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(800, 400, 200), min_length=1, max_length=16
    )
    slope: float = Field(default=0.01, ge=0, lt=1)
    gain: float = Field(default=100.0, gt=0, le=1e6)


class RmmAutoencoder(Autoencoder):
    """Dense encoder and decoder with leaky ReLU after every layer but the last.

    Trained on the mean squared error: the mean absolute error has a minimum at the median, and the median of almost
    all cells is the 0 of an object that is not there. Losses are in units of the input times `gain`, squared.

    Scores: `log_mae`, the natural logarithm of the mean over the cells of the absolute difference of input and output,
    as in the reference; `mse`, the mean squared difference. Weights are rounded to half precision when they are taken,
    which halves a bundle; all scores are computed from the rounded ones.
    """

    name: ClassVar[str] = "rmm_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("rmm",)
    score_names: ClassVar[tuple[str, ...]] = ("log_mae", "mse")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(RmmConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout)
        self._sizes = mirrored(len(self.columns), self._settings.layers)
        self._network: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]

    def fit(self, data: TrainingData, **how: Any) -> FitReport:
        """Train on background; see `hepad.nn.autoencoder.Autoencoder.fit`."""
        gain = np.float32(self._settings.gain)
        train, validation = (replace(batch, x=batch.x * gain) for batch in (data.train, data.validation))
        return super().fit(replace(data, train=train, validation=validation), **how)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (inputs, outputs) in enumerate(pairwise(self._sizes)):
            shapes[f"{2 * index}.weight"] = (outputs, inputs)
            shapes[f"{2 * index}.bias"] = (outputs,)
        return shapes

    def _build(self) -> nn.Module:
        from torch import nn

        from hepad.nn.blocks import dense_stack

        return dense_stack(self._sizes, lambda _: nn.LeakyReLU(self._settings.slope))

    def _take(self, weights: State) -> None:
        with np.errstate(over="ignore"):
            rounded = {name: array.astype(np.float16) for name, array in weights.items()}
        for name, array in rounded.items():
            if not np.isfinite(array).all():
                raise CardError(f"weights {name} of {self.name} are too large for half precision: lower the gain")
        super()._take(rounded)

    def _set_weights(self, weights: State) -> None:
        arrays = [array.astype(np.float32) for array in weights.values()]
        self._network = [(w.T.copy(), b) for w, b in zip(arrays[::2], arrays[1::2], strict=True)]
        gain = np.float32(self._settings.gain)
        self._network[0][0][:] *= gain
        for array in self._network[-1]:
            array[:] /= gain

    def _reconstruct(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        from hepad.nn.sparse_kernel import sparse_product

        result = np.empty(x.shape, dtype=np.float32)
        slope = np.float32(self._settings.slope)
        (first, first_bias), *others = self._network
        for start in range(0, len(x), BLOCK):
            block = np.ascontiguousarray(x[start : start + BLOCK])
            rows = np.zeros((BLOCK, first.shape[1]), dtype=np.float32)
            sparse_product(block, first, rows[: len(block)])  # ten or twenty of 1287 cells are not zero
            rows += first_bias
            for weight, bias in others:
                np.maximum(rows, slope * rows, out=rows)
                rows = rows @ weight
                rows += bias
            result[start : start + len(block)] = rows[: len(block)]
        return result

    def _measure(self, difference: npt.NDArray[np.float32]) -> Scores:
        mse = np.einsum("ij,ij->i", difference, difference) / np.float32(difference.shape[1])
        mean = np.abs(difference).mean(axis=1, dtype=np.float32)
        least = np.finfo(np.float32).tiny  # so that a perfect reconstruction has a logarithm
        return {"log_mae": np.log(np.maximum(mean, least)), "mse": mse}
