"""Weights as numpy arrays: out of a module, and back into it with every name and shape checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.nn.arrays import check_arrays

__all__ = ["get_weights", "set_weights", "to_array", "weight_tensors"]

Arrays = dict[str, npt.NDArray[Any]]


def weight_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The floating-point tensors of a module by name: parameters and running statistics, not counters."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def to_array(tensor: Tensor) -> npt.NDArray[Any]:
    """A contiguous copy that later training steps do not change."""
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")


def get_weights(module: nn.Module) -> Arrays:
    """Copies of the module's weights as contiguous float32 arrays."""
    return {name: to_array(tensor) for name, tensor in weight_tensors(module).items()}


def set_weights(module: nn.Module, arrays: Mapping[str, npt.NDArray[Any]], origin: str) -> None:
    """Copy arrays into the module; `CardError` naming `origin` and the tensor that is missing, unknown or misshapen.

    Nothing is copied unless everything fits.
    """
    targets = weight_tensors(module)
    check_arrays({name: tuple(tensor.shape) for name, tensor in targets.items()}, arrays, origin)
    with torch.no_grad():
        for name, tensor in targets.items():
            tensor.copy_(torch.tensor(np.asarray(arrays[name], dtype=np.float32)))
