"""A network with its score as an ONNX graph, spiking ones unrolled, in operators that `hepad import-model` accepts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import MissingExtraError
from hepad.io.exchange.onnx_builder import OnnxGraph
from hepad.nn.layers import Layer, Network

__all__ = ["onnx_bytes", "onnx_scores", "onnx_session"]


def onnx_bytes(network: Network) -> bytes:
    """A graph of input `x`, float32 (events, inputs), and outputs `score` (events,) and `output`, the last layer's.

    The same network gives the same bytes. `MissingExtraError` without onnx.
    """
    graph = OnnxGraph("trigger")
    outputs = ["x", _spiking(graph, network)] if network.spiking else _dense(graph, network)
    graph.add("Identity", _restored(graph, network, outputs[-1]), name="output")
    _score(graph, network, outputs[network.embedding])
    return graph.to_bytes(network.model, network.sizes[0], {"score": (), "output": (network.sizes[-1],)})


def onnx_session(data: bytes, *, threads: int = 1) -> Any:
    """An onnxruntime session on so many threads of the processor; `MissingExtraError` without it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError.of(error, "running ONNX needs", "onnxruntime", "trigger") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def onnx_scores(data: bytes, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The scores of rows, shape (n,)."""
    (scores,) = onnx_session(data).run(["score"], {"x": np.ascontiguousarray(x, dtype=np.float32)})
    return np.asarray(scores)


def _affine(graph: OnnxGraph, x: str, layer: Layer) -> str:
    """weight x + bias."""
    return graph.add("Gemm", x, graph.number(layer.weight), graph.number(layer.bias), transB=1)


def _dense(graph: OnnxGraph, network: Network) -> list[str]:
    """The input, then what each layer gives."""
    value = "x"
    values = [value]
    for layer in network.layers:
        value = _affine(graph, value, layer)
        if layer.after == "relu":
            value = graph.add("Relu", value)
        elif layer.after == "leaky_relu":
            value = graph.add("LeakyRelu", value, alpha=network.slope)
        values.append(value)
    return values


def _restored(graph: OnnxGraph, network: Network, output: str) -> str:
    """Outputs within their limits, 0 for objects that are not there."""
    if network.limits is None:
        return output
    bounded = np.isfinite(network.limits)
    curved = graph.add("Mul", graph.add("Tanh", output), graph.number(np.where(bounded, network.limits, 0.0)))
    values = graph.add("Add", curved, graph.add("Mul", output, graph.number(~bounded)))
    filled = graph.add("Sign", graph.add("Abs", "x"))
    there = graph.add("Sign", graph.add("MatMul", filled, graph.number(network.together.T)))
    return graph.add("Mul", values, there)


def _spiking(graph: OnnxGraph, network: Network) -> str:
    neuron = network.spiking
    assert neuron is not None  # noqa: S101  asked by the caller
    *hidden, last = network.layers
    beta, threshold = graph.number(neuron.beta), graph.number(neuron.threshold)
    currents = [_affine(graph, "x", hidden[0])] * neuron.steps
    for index in range(len(hidden)):
        spikes: list[str] = []
        potential = ""
        for current in currents:
            if spikes:
                leaked = graph.add("Add", graph.add("Mul", beta, potential), current)
                potential = graph.add("Sub", leaked, graph.add("Mul", spikes[-1], threshold))
            else:
                potential = current
            above = graph.add("Sign", graph.add("Sub", potential, threshold))
            spikes.append(graph.add("Relu", above))  # 1 above the threshold, 0 at or below it
        following = hidden[index + 1] if index + 1 < len(hidden) else last
        currents = [_affine(graph, spike, following) for spike in spikes]
    output = currents[0]
    for current in currents[1:]:
        output = graph.add("Add", graph.add("Mul", beta, output), current)
    return output


def _score(graph: OnnxGraph, network: Network, embedded: str) -> None:
    if network.score in {"mse", "sse"}:
        difference = graph.add("Sub", embedded, "output")
    if network.score == "mse":
        graph.add("ReduceMean", graph.add("Mul", difference, difference), name="score", axes=[1], keepdims=0)
        return
    axes = graph.number([1], "int64")
    if network.score == "sse":
        graph.add("ReduceSum", graph.add("Mul", difference, difference), axes, name="score", keepdims=0)
        return
    if network.score == "output":
        inside = graph.add("Clip", "output", graph.number(0), graph.number(network.highest))
        graph.add("ReduceSum", inside, axes, name="score", keepdims=0)
        return
    if network.score == "mu2":
        graph.add("ReduceSum", graph.add("Mul", "output", "output"), axes, name="score", keepdims=0)
        return
    half = network.sizes[-1] // 2
    cuts = [graph.number([value], "int64") for value in (0, half, 2 * half)]
    mean = graph.add("Slice", "output", cuts[0], cuts[1], axes)
    log_variance = graph.add("Slice", "output", cuts[1], cuts[2], axes)
    if network.score == "r":
        ratios = graph.add("Mul", graph.add("Mul", mean, mean), graph.add("Exp", graph.add("Neg", log_variance)))
        graph.add("ReduceSum", ratios, axes, name="score", keepdims=0)
        return
    variance = graph.add("Sub", graph.add("Exp", log_variance), log_variance)
    terms = graph.add("Sub", graph.add("Add", graph.add("Mul", mean, mean), variance), graph.number(1))
    average = graph.add("ReduceMean", terms, axes=[1], keepdims=0)
    graph.add("Mul", average, graph.number(0.5), name="score")
