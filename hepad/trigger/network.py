"""What layers give in double precision, and what they cost: the reference for everything that is rounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hepad.nn.layers import Floats, Layer, Network

__all__ = ["float_scores", "operations", "spike_trains"]


def float_scores(network: Network, x: npt.ArrayLike) -> Floats:
    """The score of each row of x, in float64, shape (n,)."""
    rows = np.asarray(x, dtype=np.float64)
    output = _spiking_output(network, rows)[0] if network.spiking else _dense_output(network.layers, network, rows)
    if network.score == "mse":
        return np.asarray(np.square(rows - _restored(network, rows, output)).mean(axis=1))
    if network.score == "sse":
        embedded = _dense_output(network.layers[: network.embedding], network, rows)
        return np.asarray(np.square(embedded - output).sum(axis=1))
    if network.score == "output":
        return np.asarray(np.clip(output[:, 0], 0, network.highest))
    if network.score == "mu2":
        return np.asarray(np.square(output).sum(axis=1))
    mean, log_variance = np.split(output, 2, axis=1)
    if network.score == "r":
        return np.asarray((np.square(mean) * np.exp(-log_variance)).sum(axis=1))
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
    macs = [layer.products for layer in network.layers]
    if network.spiking is None:
        return {"mac": float(sum(macs)), "conditional_adds": 0.0, "neuron_updates": float(sum(network.sizes[1:]))}
    if x is None:
        raise ValueError("the operations of a spiking network depend on the events")
    trains = spike_trains(network, x)
    spikes = [float(train.sum(axis=(1, 2)).mean()) for train in trains]
    adds = sum(count * len(layer.bias) for count, layer in zip(spikes, network.layers[1:], strict=True))
    updates = network.spiking.steps * sum(network.sizes[1:])
    return {"mac": float(macs[0]), "conditional_adds": adds, "neuron_updates": float(updates)}


def _restored(network: Network, rows: Floats, output: Floats) -> Floats:
    """The reconstruction: outputs within their limits, 0 for objects that are not there."""
    if network.limits is None:
        return output
    bounded = np.isfinite(network.limits)
    values = np.where(bounded, np.where(bounded, network.limits, 1.0) * np.tanh(output), output)
    return np.where((rows != 0).astype(np.float64) @ network.together.T > 0, values, 0.0)


def _dense_output(layers: Sequence[Layer], network: Network, rows: Floats) -> Floats:
    for layer in layers:
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
