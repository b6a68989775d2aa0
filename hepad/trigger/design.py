"""A network in fixed point, written once: numpy arrays go through it as an emulation, traced arrays become logic.

Every rounding half up is a rounding down whose half is in the bias, where it costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, UsageError
from hepad.inputs.layout import Layout, Slot
from hepad.nn.exact import hardware_rows
from hepad.nn.layers import Layer, Network, Spiking
from hepad.trigger.bounded import bounded, if_there
from hepad.trigger.fixed import (
    Floats,
    Format,
    Numbers,
    at_most,
    bit,
    floor_to,
    lookup,
    magnitude,
    not_negative,
    positive_part,
    power_format,
    to_grid,
)
from hepad.trigger.shallow import difference_layer, joined, merged, squares

__all__ = ["Design", "Precision", "input_formats", "quantised_weights"]

_AUTOENCODERS = ("mse", "sse")
_GUARD = 2  # bits of a bias beyond those of what it is added to
_SLOPE_FRACTION = 4  # 0.3 becomes 5/16: one adder
_LOG_FRACTION = 5  # bits after the point of the logarithm of mean^2 / variance


@dataclass(frozen=True)
class Precision:
    """Bit widths. An input and a weight have a sign where they need one; the others count bits after the point.

    `activation`: of hidden neurons of a dense network, and of an output; `membrane`: of the membrane that leaks in a
    spiking one, in units of its threshold; `leak`: of its factor beta; `current`: of the current that the first
    spiking layer's table looks up; `error`: of the difference or mean that is squared, which saturates at
    2^`error_integer`.
    """

    input: int = 8
    weight: int = 6
    activation: int = 8
    membrane: int = 6
    leak: int = 5
    current: int = 7
    error: int = 8
    error_integer: int = 0

    def __post_init__(self) -> None:
        bounds = {"input": (1, 16), "weight": (2, 16), "error_integer": (-4, 8), "leak": (1, 8), "current": (2, 10)}
        for name, value in asdict(self).items():
            low, high = bounds.get(name, (1, 16))
            if not low <= value <= high:
                raise UsageError(f"{name} bits must be {low} to {high}, not {value}")

    def to_json(self) -> dict[str, int]:
        """The widths by name."""
        return asdict(self)


def input_formats(layout: Layout, bits: int, scale: str) -> tuple[Format, ...]:
    """The format of each input column as the network sees it, after the input's scale.

    `max_with_floor` puts the background's largest momentum at 1 and formats reach to 2. With `standard` momenta are
    counted in standard deviations, about 20 GeV, and formats reach to 32 of them, beyond which no trigger needs to
    tell values apart. Angles reach to 4, pseudorapidities to 8. The pseudorapidity of missing momentum is always 0.
    """
    if not layout.slots:
        raise CardError("only a vector of objects has fixed-point formats")
    return tuple(_input_format(slot, bits, scale) for slot in layout.slots)


def _input_format(slot: Slot, bits: int, scale: str) -> Format:
    if slot.name == "met_eta":
        return Format(False, 0, 1)
    if slot.feature == "pt":
        if scale == "none":
            raise CardError("an input without scale has no fixed-point format: choose another scale and train again")
        return Format(False, 1, bits - 1) if scale == "max_with_floor" else Format(True, 5, bits - 6)
    return Format(True, 3, bits - 4) if slot.feature == "eta" else Format(True, 2, bits - 3)


class Design:
    """A network with its bit widths. Called with rows of inputs on their grid it gives the raw score, (..., 1).

    The network's score is `scale` times the raw one. With `encoder` only, the output is that of the latent layer: for
    a spiking network, each neuron's spikes as a number whose bit of value 2^t is the spike at step t.

    `shallow` logic has fewer adders in a row and more of them: a dense network's linear layers are multiplied into the
    next, and rounded only then; what is squared is summed with the last layer, and rounded only then; squares come from
    tables of numbers with their sign; and each tree of adders is as shallow as can be.
    """

    def __init__(
        self,
        network: Network,
        precision: Precision,
        inputs: Sequence[Format],
        *,
        encoder: bool = False,
        shallow: bool = False,
    ) -> None:
        if len(inputs) != network.sizes[0]:
            raise ValueError(f"{len(inputs)} formats for {network.sizes[0]} inputs")
        if encoder and network.score not in _AUTOENCODERS:
            raise UsageError(f"a design with score {network.score} is an encoder already")
        self.network, self.precision, self.inputs = network, precision, tuple(inputs)
        self.encoder, self.shallow = encoder, shallow
        layers = network.encoder if encoder else network.layers
        self._embedding = network.embedding
        if shallow and network.spiking is None:
            first, others = (tuple(merged(part)) for part in (layers[: self._embedding], layers[self._embedding :]))
            self._embedding, layers = len(first), first + others
        in_thresholds = _in_thresholds(layers, network.spiking)
        shift = np.zeros(network.sizes[0]) if network.shift is None else network.shift
        shifts: list[Floats | float] = [shift, *[0.0] * (len(in_thresholds) - 1)]
        self._weights = [
            quantised_weights(layer.weight * 2.0**s, precision.weight) * 2.0**-s
            for layer, s in zip(in_thresholds, shifts, strict=True)
        ]
        self._weights[0][:, [form.bits < 2 for form in inputs]] = 0  # always 0
        if network.limits is not None and not encoder:
            self._weights[-1][~network.together.any(axis=1)] = 0  # never looked at
        self._biases = [layer.bias for layer in in_thresholds]
        self._layers = layers

    @property
    def bits(self) -> dict[str, int]:
        """The bit widths by name."""
        return self.precision.to_json()

    @property
    def scale(self) -> float:
        """The network's score for a raw score of 1."""
        outputs = self.network.sizes[-1]
        return {"mse": 1 / outputs, "sse": 1.0, "mu2": 1.0, "r": 1.0, "kl": 1 / outputs, "output": 1.0}[
            self.network.score
        ]

    def quantised(self, x: npt.ArrayLike) -> Floats:
        """Inputs (n, d) or images on the grid of their formats, saturated: what the logic is given, shape (n, d)."""
        rows = hardware_rows(np.asarray(x, dtype=np.float64))
        columns = [np.clip(to_grid(c, f.fraction), f.low, f.high) for c, f in zip(rows.T, self.inputs, strict=True)]
        return np.stack(columns, axis=1)

    def scores(self, x: npt.ArrayLike) -> Floats:
        """The score of each row of unquantised inputs, as the logic gives it, shape (n,)."""
        raw = self(self.quantised(x))
        if self.encoder:
            raise UsageError("the encoder alone has no score")
        return np.asarray(raw[:, 0] * self.scale, dtype=np.float64)

    def operations(self, x: npt.ArrayLike) -> dict[str, float]:
        """The operations an event takes, as `hepad.trigger.network.operations` counts them, of this design.

        Weights that were rounded to 0 take none, and spikes are those of the fixed-point neurons for unquantised
        inputs x (n, d).
        """
        neuron = self.network.spiking
        used = [(weight != 0).sum(axis=0) for weight in self._weights]  # by input neuron
        updates = float(sum(len(weight) for weight in self._weights))
        if neuron is None:
            return {"mac": float(sum(u.sum() for u in used)), "conditional_adds": 0.0, "neuron_updates": updates}
        codes = self._first_codes(self.quantised(x), neuron)
        spikes = [bit(codes, t) for t in range(neuron.steps)]
        adds = 0.0
        for index in range(1, len(self._weights)):
            adds += float((sum(spikes) @ used[index]).mean())
            if index + 1 < len(self._weights):
                spikes = self._fire(spikes, index)
        return {"mac": float(used[0].sum()), "conditional_adds": adds, "neuron_updates": neuron.steps * updates}

    def __call__(self, x: Numbers) -> Numbers:
        """The raw score of numpy rows (n, d), or of one traced row (d,)."""
        if self._linear_difference:
            return self._sum_of_squares(self._difference(x))
        if self.network.spiking:
            output = self._spiking(x)
        else:
            x = self._dense(x, 0, self._embedding)
            output = self._dense(x, self._embedding, len(self._layers))
        return output if self.encoder else self._score(x, output)

    @property
    def _linear_difference(self) -> bool:
        """Whether what is squared is summed with the last layer: nothing may come between."""
        network = self.network
        plain = network.spiking is None and network.limits is None and network.score in _AUTOENCODERS
        return self.shallow and plain and not self.encoder

    def _difference(self, x: Numbers) -> Numbers:
        """Input less output, not rounded but to the nearest step of what is squared."""
        x = self._dense(x, 0, self._embedding)
        hidden = self._dense(x, self._embedding, len(self._layers) - 1)
        f = self.precision.error
        bias = 2.0 ** -(f + 1) - to_grid(self._biases[-1], self.precision.activation + _GUARD)
        return joined(x, hidden) @ difference_layer(self._weights[-1]).T + bias

    def _dense(self, x: Numbers, first: int, end: int) -> Numbers:
        """What the layers from `first` to before `end` make of it."""
        f = self.precision.activation
        for layer, weight, bias in [*zip(self._layers, self._weights, self._biases, strict=True)][first:end]:
            x = _product(x, weight, layer) + (to_grid(bias, f + _GUARD) + 2.0 ** -(f + 1))
            if layer.after == "relu":
                x = positive_part(x)
            elif layer.after == "leaky_relu":
                x = np.where(x < 0, x * to_grid(self.network.slope, _SLOPE_FRACTION), x)
            x = floor_to(x, f)
        return x

    def _spiking(self, x: Numbers) -> Numbers:
        """Output membranes of the last step; the last layer's spike codes for the encoder alone."""
        neuron = self.network.spiking
        assert neuron is not None  # noqa: S101  asked by the caller
        codes = self._first_codes(x, neuron)
        spikes = [bit(codes, t) for t in range(neuron.steps)]
        last = len(self._weights) - (0 if self.encoder else 1)
        for index in range(1, last):
            spikes = self._fire(spikes, index)
        if last > 1:
            codes = _joined(spikes)
        return codes if self.encoder else self._accumulated(codes, neuron)

    def _first_codes(self, x: Numbers, neuron: Spiking) -> Numbers:
        """The spikes of the first layer, a number a neuron with a bit a step."""
        form = Format(False, 1, self.precision.current)
        current = positive_part(x @ self._weights[0].T + self._bias(0, form.fraction))
        return lookup(at_most(current, form), lambda c: _codes(c, neuron), Format(False, neuron.steps, 0))

    def _fire(self, spikes: list[Any], index: int) -> list[Any]:
        """The spikes of a hidden layer at each step, from those of the layer before; the threshold is 1."""
        neuron, f = self.network.spiking, self.precision.membrane
        assert neuron is not None  # noqa: S101
        beta = float(to_grid(neuron.beta, self.precision.leak))
        weight, bias = self._weights[index].T, to_grid(self._biases[index], f)
        out: list[Any] = []
        membrane: Any = None
        for spike in spikes:
            current = spike @ weight + bias
            membrane = current if membrane is None else floor_to(membrane * beta, f) + (current - out[-1])
            out.append(not_negative(membrane - 1.0))
        return out

    def _accumulated(self, codes: Numbers, neuron: Spiking) -> Numbers:
        """The sum of beta^(steps - 1 - t) (weight spike(t) + bias): a table a neuron, then one matrix."""
        f = self.precision.activation
        decay = neuron.beta ** np.arange(neuron.steps - 1, -1, -1)
        form = power_format(float(decay.sum()), f, signed=False)
        counts = lookup(codes, lambda c: sum(bit(c, t) * d for t, d in enumerate(decay)), form)
        bias = to_grid(self._biases[-1] * decay.sum(), f + _GUARD) + 2.0 ** -(f + 1)
        return floor_to(counts @ self._weights[-1].T + bias, f)

    def _bias(self, index: int, fraction: int) -> Floats:
        return to_grid(self._biases[index], fraction + _GUARD) + 2.0 ** -(fraction + 1)

    def _score(self, x: Numbers, output: Numbers) -> Numbers:
        if self.network.limits is not None:
            squared = self._squares(x - bounded(output, self.network.limits, self.precision.error))
            return _total(if_there(squared, x, self.network.together))
        if self.network.score in _AUTOENCODERS:
            return self._sum_of_squares(x - output)
        if self.network.score == "output":
            integer, fraction = self.network.score_bits
            return at_most(positive_part(output), Format(False, integer, min(fraction, self.precision.activation)))
        if self.network.score == "mu2":
            return self._sum_of_squares(output)
        latent = self.network.sizes[-1] // 2
        mean, log_variance = output[..., :latent], output[..., latent:]
        if self.network.score == "r":
            return self._ratios(mean, log_variance)
        return self._sum_of_squares(mean) + self._variance_terms(log_variance)

    def _sum_of_squares(self, values: Numbers) -> Numbers:
        return _total(self._squares(values))

    def _squares(self, values: Numbers) -> Numbers:
        form = Format(False, self.precision.error_integer, self.precision.error)
        if self.shallow:
            return squares(values, form)
        square = Format(False, 2 * form.integer, 2 * form.fraction)
        return lookup(at_most(magnitude(values), form), np.square, square)

    def _ratios(self, mean: Numbers, log_variance: Numbers) -> Numbers:
        """The sum of mean^2 / variance by its logarithm, which is a difference: two tables, no product and no division.

        A logarithm has 5 bits after the point, so that a term is known to 1.6 %; it saturates at e^4.
        """
        size = at_most(magnitude(mean), Format(False, self.precision.error_integer, self.precision.error))
        logarithm = lookup(size, _log_square, Format(True, 5, _LOG_FRACTION)) - log_variance
        moved = positive_part(logarithm + (12.0 + 2.0 ** -(_LOG_FRACTION + 1)))
        inside = at_most(moved, Format(False, 4, _LOG_FRACTION))
        return _total(lookup(inside, lambda v: np.exp(v - 12), Format(False, 6, 12)))

    def _variance_terms(self, log_variance: Numbers) -> Numbers:
        """The sum of exp(v) - v - 1, v between -8 and 8; it saturates at 64."""
        f = min(self.precision.error, 5)
        inside = at_most(positive_part(log_variance + (8.0 + 2.0 ** -(f + 1))), Format(False, 4, f))
        return _total(lookup(inside, lambda v: np.exp(v - 8) - (v - 8) - 1, Format(False, 6, 2 * f)))


def _product(x: Numbers, weight: Floats, layer: Layer) -> Numbers:
    """x @ weight.T; what looks at the same inputs is traced together, or a large convolution would take minutes."""
    if isinstance(x, np.ndarray) or layer.tied is None:
        return x @ weight.T
    parts = [x[inputs] @ weight[np.ix_(outputs, inputs)].T for outputs, inputs in layer.groups]
    return np.concatenate(parts)[np.argsort(np.concatenate([outputs for outputs, _ in layer.groups]))]


def _log_square(size: Floats) -> Floats:
    """The logarithm of a square; the square of 0 is too small to count."""
    return np.where(size > 0, 2 * np.log(np.maximum(size, 2.0**-20)), -32.0)


def quantised_weights(weight: Floats, bits: int) -> Floats:
    """Weights of so many bits; the place of the binary point is a neuron's own.

    The smallest number of a format is left out: weights that are on their grid stay there when they are rounded again.
    """
    rows = []
    for row in weight:
        form = power_format(float(np.abs(row).max()), bits)
        rows.append(np.clip(to_grid(row, form.fraction), -form.high, form.high))
    return np.array(rows)


def _in_thresholds(layers: Sequence[Layer], spiking: Spiking | None) -> list[Layer]:
    """Layers that spike, with currents in units of the threshold, so that the threshold is 1."""
    if spiking is None:
        return list(layers)
    u = spiking.threshold
    return [Layer(x.weight / u, x.bias / u, x.after) if x.after == "spike" else x for x in layers]


def _codes(current: Floats, neuron: Spiking) -> Floats:
    """The spikes of a neuron at threshold 1 under a constant current, as a number with a bit a step."""
    code, membrane, spike = np.zeros_like(current), np.zeros_like(current), np.zeros_like(current)
    for t in range(neuron.steps):
        membrane = neuron.beta * membrane + current - spike
        spike = (membrane > 1).astype(np.float64)
        code += spike * 2.0**t
    return code


def _joined(spikes: Sequence[Numbers]) -> Numbers:
    code = spikes[0]
    for t, spike in enumerate(spikes[1:], start=1):
        code = code + spike * 2.0**t
    return code


def _total(values: Numbers) -> Numbers:
    if isinstance(values, np.ndarray):
        return values.sum(axis=-1, keepdims=True)
    return np.sum(values, keepdims=True)
