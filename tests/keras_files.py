"""Files as Keras writes them, by hand: dense networks, without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Layers = Sequence[tuple[np.ndarray, np.ndarray, Any]]
"""Kernel (inputs, outputs), bias and activation of each layer."""


def write_dense(path: Path, layers: Layers) -> Path:
    """The HDF5 file of a Sequential model of Keras 2."""
    described: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "config": {"name": "input_1", "batch_input_shape": [None, len(layers[0][0])]}}
    ]
    with h5py.File(path, "w") as file:
        for index, (kernel, bias, activation) in enumerate(layers):
            name = f"dense_{index}" if index else "dense"
            settings = {"name": name, "units": len(bias), "use_bias": True, "activation": activation}
            described.append({"class_name": "Dense", "config": settings})
            file[f"model_weights/{name}/{name}/kernel:0"] = np.asarray(kernel, dtype="f4")
            file[f"model_weights/{name}/{name}/bias:0"] = np.asarray(bias, dtype="f4")
        file.attrs["keras_version"] = "2.15.0"
        model = {"class_name": "Sequential", "config": {"name": "sequential", "layers": described}}
        file.attrs["model_config"] = json.dumps(model)
    return path
