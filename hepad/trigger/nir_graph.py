"""A spiking network in the Neuromorphic Intermediate Representation, for neuromorphic hardware.

Reference: Pedersen et al., Nature Communications 15 (2024) 8122. Its neurons are differential equations; a step of
length dt gives ours with tau = dt / (1 - beta) and r = tau / dt, the convention of snntorch. Its LIF resets to a
potential, ours subtracts the threshold one step later, which the file can only say in its metadata: hardware that does
otherwise gives other spikes.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, MissingExtraError
from hepad.nn.layers import Layer, Network, Spiking
from hepad.trigger.network import float_scores

__all__ = ["nir_scores", "write_nir"]

_DT = 1e-4  # seconds, snntorch's


def write_nir(network: Network, path: Path) -> None:
    """Write a NIR file (HDF5) of affine maps, LIF neurons and the leaky integrators of the output.

    `CardError` for a dense network, `MissingExtraError` without nir.
    """
    nir = _nir()
    neuron = network.spiking
    if neuron is None:
        raise CardError(f"model {network.model} has layers {_dense_layers(network)}, and NIR spiking neurons only")
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([network.sizes[0]])})}
    for index, layer in enumerate(network.layers):
        weight, bias = layer.weight.astype(np.float32), layer.bias.astype(np.float32)
        nodes[f"affine{index}"] = nir.Affine(weight, bias)
        nodes[f"neurons{index}"] = _neurons(nir, neuron, layer)
    nodes["output"] = nir.Output({"output": np.array([network.sizes[-1]])})
    names = list(nodes)
    edges = list(pairwise(names))
    metadata = {
        "dt": _DT,
        "steps": neuron.steps,
        "input": "constant over the steps",
        "reset": "subtract the threshold one step after the spike",
        "score": "mean squared difference of input and last output potential",
    }
    nir.write(path, nir.NIRGraph(nodes, edges, metadata))


def nir_scores(path: Path, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The scores of rows by a network as a NIR file has it, shape (n,): what is in the file is all that is used."""
    return float_scores(_network(_nir().read(path)), x)


def _network(graph: Any) -> Network:
    """The network in a graph of alternating affine maps and neurons."""
    following = dict(graph.edges)
    layers: list[Layer] = []
    betas: set[float] = set()
    thresholds: set[float] = set()
    place = following["input"]
    while place != "output":
        affine, neurons = graph.nodes[place], graph.nodes[following[place]]
        spikes = type(neurons).__name__ == "LIF"
        layers.append(
            Layer(affine.weight.astype(np.float64), affine.bias.astype(np.float64), "spike" if spikes else "linear")
        )
        betas |= set(np.round(1 - graph.metadata["dt"] / np.asarray(neurons.tau), 12).tolist())
        thresholds |= set(np.asarray(neurons.v_threshold).tolist()) if spikes else set()
        place = following[following[place]]
    (beta,), (threshold,) = betas, thresholds
    return Network("snn_ae", tuple(layers), "mse", Spiking(int(graph.metadata["steps"]), beta, threshold))


def _neurons(nir: Any, neuron: Spiking, layer: Layer) -> Any:
    width = np.ones(len(layer.bias))
    if neuron.beta >= 1:
        raise CardError("neurons that do not leak have no time constant, and so no NIR")
    tau = _DT / (1 - neuron.beta) * width
    if layer.after != "spike":
        return nir.LI(tau=tau, r=tau / _DT, v_leak=0 * width)
    return nir.LIF(tau=tau, r=tau / _DT, v_leak=0 * width, v_threshold=neuron.threshold * width)


def _dense_layers(network: Network) -> str:
    return ", ".join(dict.fromkeys(layer.after for layer in network.layers))


def _nir() -> Any:
    try:
        import nir
    except ImportError as error:
        raise MissingExtraError.of(error, "the format nir needs", "nir", "trigger") from error
    return nir
