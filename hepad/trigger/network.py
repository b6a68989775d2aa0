"""A scorer as a plain list of layers with its score: what quantisation, logic and exports are made from.

Batch normalisation is folded into the affine layers beside it. Everything is float64: this is the reference that
quantised versions are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError

__all__ = [
    "SCORES",
    "Layer",
    "Network",
    "Score",
    "Spiking",
    "float_scores",
    "network_of",
    "operations",
    "spike_trains",
    "state_of",
]

Floats = npt.NDArray[np.float64]
Score = Literal["mse", "mu2", "kl"]
After = Literal["linear", "relu", "leaky_relu", "spike"]

SCORES: dict[str, tuple[Score, ...]] = {"snn_ae": ("mse",), "dnn_ae": ("mse",), "vae": ("mu2", "kl")}
"""The models that have logic, and of which of their scores."""

_NO_LOGIC = {
    ("vae", "mse"): "; it needs the decoder with its hyperbolic tangents, and to know which objects are there",
    ("vae", "r"): "; it divides by variances, which range over orders of magnitude",
}

_SLOPE = 0.3  # of hepad.models.vae
_EPSILON = 1e-3  # of its batch normalisation


@dataclass(frozen=True)
class Layer:
    """`weight` (outputs, inputs) and `bias` (outputs,) and what follows them."""

    weight: Floats
    bias: Floats
    after: After


@dataclass(frozen=True)
class Spiking:
    """Leaky integrate-and-fire neurons: see `hepad.nn.spiking.SpikingStack`."""

    steps: int
    beta: float
    threshold: float


@dataclass(frozen=True)
class Network:
    """Layers, and the score that is made of their output.

    `mse`: mean squared difference of input and output. `mu2` and `kl`: see `hepad.models.vae`; the encoder is all there
    is then, and its output the means, for `kl` followed by the log variances. `spiking` is None for a dense network.
    `slope` is that of leaky_relu.
    """

    model: str
    layers: tuple[Layer, ...]
    score: Score
    spiking: Spiking | None = None
    slope: float = _SLOPE

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths, inputs first."""
        return (self.layers[0].weight.shape[1], *(len(layer.bias) for layer in self.layers))


def network_of(model: str, config: Mapping[str, Any], state: Mapping[str, npt.NDArray[Any]], score: str) -> Network:
    """The layers of a trained scorer; `CardError` that names a model or score which has no logic.

    `model`, `config` and `state` are the scorer's name, configuration and weights.
    """
    if model not in SCORES:
        raise CardError(f"model {model!r} has no logic yet: there is some for {', '.join(sorted(SCORES))}")
    if score not in SCORES[model]:
        reason = _NO_LOGIC.get((model, score), "")
        raise CardError(
            f"score {score!r} of {model} has no logic: there is some for {', '.join(SCORES[model])}{reason}"
        )
    weights = {name: np.asarray(values, dtype=np.float64) for name, values in state.items()}
    return _BUILDERS[model](config, weights, score)


def state_of(network: Network, state: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """A scorer's state with the weights of the network in their places; the rest stays as it is.

    Batch normalisation that was folded into a layer becomes the identity.
    """
    count = len(network.layers)
    folded: dict[str, npt.NDArray[Any]] = {}
    if network.model == "snn_ae":
        names = [f"layers.{i}" for i in range(count)]
    elif network.model == "dnn_ae":
        names = [f"{part}.{2 * i}" for part in ("encoder", "decoder") for i in range(count // 2)]
    else:
        names = [f"encoder.{2 * i}" for i in range(count)]
        for name in ("normalise", *(f"encoder.{2 * i + 1}.0" for i in range(count - 1))):
            folded |= _identity(name, len(state[f"{name}.weight"]))
    found = {**state, **folded}
    for name, layer in zip(names, network.layers, strict=True):
        for kind, values in (("weight", layer.weight), ("bias", layer.bias)):
            old = state[f"{name}.{kind}"]  # for mu2 its last rows, of the log variances, are not in the network
            found[f"{name}.{kind}"] = np.concatenate([values.astype(np.float32), old[len(values) :]])
    return found


def float_scores(network: Network, x: npt.ArrayLike) -> Floats:
    """The score of each row of x, in float64, shape (n,)."""
    rows = np.asarray(x, dtype=np.float64)
    output = _spiking_output(network, rows)[0] if network.spiking else _dense_output(network, rows)
    if network.score == "mse":
        return np.asarray(np.square(rows - output).mean(axis=1))
    if network.score == "mu2":
        return np.asarray(np.square(output).sum(axis=1))
    mean, log_variance = np.split(output, 2, axis=1)
    return np.asarray(0.5 * (np.square(mean) + np.exp(log_variance) - log_variance - 1).mean(axis=1))


def spike_trains(network: Network, x: npt.ArrayLike) -> list[npt.NDArray[np.bool_]]:
    """The spikes of each hidden layer, each of shape (n, steps, width)."""
    return _spiking_output(network, np.asarray(x, dtype=np.float64))[1]


def operations(network: Network, x: npt.ArrayLike | None = None) -> dict[str, float]:
    """Multiplications and additions an event takes, the score left out.

    A dense network multiplies and adds once a weight (`mac`), and each neuron adds its bias and has its activation
    (`neuron_updates`). A spiking one multiplies in its first layer only, once, as the input is constant; then each
    spike adds the weights that leave its neuron (`conditional_adds`, with the spike rates on x) and each neuron leaks,
    adds and may reset once a step (`neuron_updates`).
    """
    macs = [layer.weight.size for layer in network.layers]
    if network.spiking is None:
        return {"mac": float(sum(macs)), "conditional_adds": 0.0, "neuron_updates": float(sum(network.sizes[1:]))}
    if x is None:
        raise ValueError("the operations of a spiking network depend on the events")
    trains = spike_trains(network, x)
    spikes = [float(train.sum(axis=(1, 2)).mean()) for train in trains]
    adds = sum(count * len(layer.bias) for count, layer in zip(spikes, network.layers[1:], strict=True))
    updates = network.spiking.steps * sum(network.sizes[1:])
    return {"mac": float(macs[0]), "conditional_adds": adds, "neuron_updates": float(updates)}


def _dense_output(network: Network, rows: Floats) -> Floats:
    for layer in network.layers:
        rows = rows @ layer.weight.T + layer.bias
        if layer.after != "linear":
            rows = np.where(rows > 0, rows, rows * (network.slope if layer.after == "leaky_relu" else 0.0))
    return rows


def _spiking_output(network: Network, rows: Floats) -> tuple[Floats, list[npt.NDArray[np.bool_]]]:
    assert network.spiking is not None  # noqa: S101  asked by the callers
    steps, beta, threshold = network.spiking.steps, network.spiking.beta, network.spiking.threshold
    first, *others = network.layers
    current = np.repeat((rows @ first.weight.T + first.bias)[:, np.newaxis], steps, axis=1)
    trains = []
    for layer in others:
        spikes = np.empty(current.shape)
        potential, before = np.zeros(current[:, 0].shape), np.zeros(current[:, 0].shape)
        for t in range(steps):
            potential = beta * potential + current[:, t] - threshold * before
            before = spikes[:, t] = potential > threshold
        trains.append(spikes > 0)
        current = spikes @ layer.weight.T + layer.bias
    decay = beta ** np.arange(steps - 1, -1, -1)
    return np.einsum("t,ntd->nd", decay, current), trains


def _spiking_autoencoder(config: Mapping[str, Any], weights: Mapping[str, Floats], score: str) -> Network:  # noqa: ARG001
    count = len(weights) // 2
    layers = [
        Layer(weights[f"layers.{i}.weight"], weights[f"layers.{i}.bias"], "spike" if i < count - 1 else "linear")
        for i in range(count)
    ]
    spiking = Spiking(int(config["steps"]), float(config["beta"]), float(config["threshold"]))
    return Network("snn_ae", tuple(layers), "mse", spiking)


def _dense_autoencoder(config: Mapping[str, Any], weights: Mapping[str, Floats], score: str) -> Network:  # noqa: ARG001
    latent = len(config["layers"])
    names = [f"encoder.{2 * i}" for i in range(latent)] + [f"decoder.{2 * i}" for i in range(latent)]
    linear = {latent - 1, len(names) - 1}
    layers = [
        Layer(weights[f"{name}.weight"], weights[f"{name}.bias"], "linear" if i in linear else "relu")
        for i, name in enumerate(names)
    ]
    return Network("dnn_ae", tuple(layers), "mse")


def _variational_encoder(config: Mapping[str, Any], weights: Mapping[str, Floats], score: str) -> Network:
    hidden = len(config["layers"])
    layers = []
    for i in range(hidden + 1):
        layer = Layer(weights[f"encoder.{2 * i}.weight"], weights[f"encoder.{2 * i}.bias"], "linear")
        if i == 0:
            gain, offset = _normalisation(weights, "normalise")
            layer = Layer(layer.weight * gain, layer.bias + layer.weight @ offset, "linear")
        if i < hidden:
            gain, offset = _normalisation(weights, f"encoder.{2 * i + 1}.0")
            layer = Layer(layer.weight * gain[:, np.newaxis], layer.bias * gain + offset, "leaky_relu")
        layers.append(layer)
    if score == "mu2":  # the variances are not needed
        last, kept = layers[-1], len(layers[-1].bias) // 2
        layers[-1] = replace(last, weight=last.weight[:kept], bias=last.bias[:kept])
    return Network("vae", tuple(layers), "mu2" if score == "mu2" else "kl")


def _normalisation(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    """Batch normalisation in evaluation: x * gain + offset."""
    gain = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + _EPSILON)
    return gain, weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * gain


def _identity(name: str, width: int) -> dict[str, npt.NDArray[np.float32]]:
    """Batch normalisation that does nothing."""
    one, zero = np.ones(width, dtype=np.float32), np.zeros(width, dtype=np.float32)
    variance = np.full(width, 1 - _EPSILON, dtype=np.float32)
    return {
        f"{name}.weight": one,
        f"{name}.bias": zero,
        f"{name}.running_mean": zero,
        f"{name}.running_var": variance,
    }


_BUILDERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Floats], str], Network]] = {
    "snn_ae": _spiking_autoencoder,
    "dnn_ae": _dense_autoencoder,
    "vae": _variational_encoder,
}
