"""The arithmetic of a trigger's network, exact to the bit, on whole batches.

Where no product loses bits a layer is one matrix product: integers of fewer bits than a float's mantissa are summed
exactly in any order, so that the library that multiplies matrices does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.fixed import Affine, Convolution, Dense, FixedConfig, Scaling, ScoreRule
from hepad.nn.exact import Cast, ExactNetwork, ExactScore, Multiplied, Shifted, Step, Summed, hardware_rows
from hepad.nn.fixed_point import FixedType, Floats, fraction_of
from hepad.nn.scorer import Scores, State, check_batch, finite_scores

__all__ = ["FixedNetwork"]

_BLOCK = 2048
"""Events at a time: their numbers stay in the processor's cache."""
_SINGLE, _DOUBLE = 24, 53
"""Bits that float32 and float64 hold exactly."""


@dataclass(frozen=True)
class _Numbers:
    """What is known of the numbers at a place of the network: bounds of each, (k,), and bits after the point."""

    low: Floats
    high: Floats
    fraction: int

    @classmethod
    def of(cls, kind: FixedType, size: int) -> _Numbers:
        return cls(np.full(size, kind.low), np.full(size, kind.high), kind.fraction)

    @property
    def bits(self) -> float:
        """The width of the widest, without a sign."""
        largest = max(np.abs(self.low).max(initial=0), np.abs(self.high).max(initial=0), 2.0**-self.fraction)
        return float(np.log2(largest)) + self.fraction

    def cast(self, kind: FixedType) -> tuple[Callable[[Floats], Floats], _Numbers]:
        """The function that casts them, nothing where nothing changes, and what comes of it."""
        if kind.holds(float(self.low.min()), float(self.high.max()), self.fraction):
            return _same, self
        after = _Numbers.of(kind, len(self.low))
        if kind.overflow == "AP_SAT":
            after = replace(after, low=kind.cast(self.low), high=kind.cast(self.high))
        return kind.cast, after


def _same(x: Floats) -> Floats:
    return x


_Function = Callable[[Floats], Floats]


class FixedNetwork:
    """Scores of a network in fixed point; see `FixedConfig`. Nothing is trained here.

    A batch holds integers of the hardware, of shape (n, d). The score is float32, which holds up to 24 bits exactly.
    """

    name: ClassVar[str] = "fixed"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_hardware", "calo_regions")
    score_names: ClassVar[tuple[str, ...]] = ("score",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        self._config = parse_card(FixedConfig, dict(config), f"model {self.name}")
        if FixedType.parse(self._config.score.output).width > _SINGLE:
            raise CardError(f"model.score.output: scores have up to {_SINGLE} bits")
        self._state: State | None = None
        self._steps: list[_Function] = []
        self._score: Callable[[list[Floats]], Floats]
        # An input, and what the scaling makes of it, within float32 wherever that holds it.
        first = FixedType.parse(self._config.input)
        self._dtype = np.float32 if first.width <= _SINGLE else np.float64

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        return self._config.model_dump(mode="json", exclude_none=True)

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,), higher more anomalous, in the units of the trigger's thresholds."""
        check_batch(self, batch)
        found = self.exact(hardware_rows(batch.x))
        return finite_scores(self.name, {"score": found.astype(np.float32)})

    def exact(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The scores, of shape (n,), of integers x of shape (n, d)."""
        if self._state is None:
            raise CardError("a fixed model has no weights before they are loaded")
        found = np.empty(len(x))
        for start in range(0, len(x), _BLOCK):
            rows = np.asarray(x[start : start + _BLOCK], dtype=self._dtype)
            given: list[Floats] = []
            for step in self._steps:
                rows = step(rows)
                given.append(rows)
            found[start : start + len(rows)] = self._score(given)
        return found

    def exact_layers(self) -> ExactNetwork:
        """The steps, for logic; see `hepad.nn.exact`."""
        state, card, parse = self.state(), self._config, FixedType.parse
        scaling = None
        if card.scaling is not None:
            types = (parse(card.scaling.inner), parse(card.scaling.output))
            scaling = Shifted(state["scale.offset"], state["scale.shift"], *types)
        steps = tuple(_step(layer, f"{place}", state) for place, layer in enumerate(card.layers))
        rule = card.score
        score = ExactScore(
            rule.kind,
            parse(rule.accumulator or rule.result),
            parse(rule.result),
            parse(rule.output),
            rule.per_unit,
            None if rule.difference is None else parse(rule.difference),
            rule.compared_to,
        )
        return ExactNetwork(parse(card.input), scaling, steps, score, self.exact)

    def state(self) -> State:
        """The numbers of the layers, as float64 arrays."""
        if self._state is None:
            raise CardError("a fixed model has no weights before they are loaded")
        return dict(self._state)

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take numbers written by `state`; `CardError` that names a missing, unknown or misshapen tensor."""
        taken = _Tensors(state)
        kind = FixedType.parse(self._config.input)
        numbers = _Numbers.of(kind, self.layout.size)
        steps: list[_Function] = [kind.cast]
        if self._config.scaling is not None:
            steps[0], numbers = _scaling(self._config.scaling, taken, self.layout.size, kind)
        seen = [numbers]
        for place, layer in enumerate(self._config.layers):
            step, numbers, widest = _layer(layer, f"{place}", taken, numbers)
            if widest > _DOUBLE:
                raise CardError(f"layer {place}: sums of {widest:.0f} bits are wider than the {_DOUBLE} of a double")
            steps.append(step)
            seen.append(numbers)
        self._score = _score_of(self._config.score, seen)
        taken.check_all()
        self._steps, self._state = steps, {name: np.asarray(v, dtype=np.float64) for name, v in state.items()}


class _Tensors:
    """The tensors of a bundle, as they are asked for."""

    def __init__(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._state, self._taken = state, set[str]()

    def __call__(self, name: str, *shape: int) -> Floats:
        """A tensor of that shape, in which -1 stands for any length."""
        if name not in self._state:
            raise CardError(f"tensor {name!r} is missing")
        found = np.asarray(self._state[name], dtype=np.float64)
        if len(found.shape) != len(shape) or any(w not in (-1, f) for w, f in zip(shape, found.shape, strict=True)):
            raise CardError(f"tensor {name!r} has shape {found.shape}, not {shape}")
        if not np.isfinite(found).all() or fraction_of(found) > _DOUBLE:
            raise CardError(f"tensor {name!r} holds what is no number in fixed point")
        self._taken.add(name)
        return found

    def check_all(self) -> None:
        """Raise `CardError` if there is a tensor that nobody has asked for."""
        if unknown := sorted(self._state.keys() - self._taken):
            raise CardError(f"unknown tensor {unknown[0]!r}")


def _scaling(card: Scaling, taken: _Tensors, size: int, kind: FixedType) -> tuple[_Function, _Numbers]:
    """x - offset, then a shift to the right that drops bits, or to the left that drops upper ones."""
    inner, output = FixedType.parse(card.inner), FixedType.parse(card.output)
    offset, shift = taken("scale.offset", size), taken("scale.shift", size)
    if np.any(shift % 1 != 0) or np.any(np.abs(shift) > inner.width):
        raise CardError(f"tensor 'scale.shift' must hold whole numbers up to {inner.width}")
    if np.any(inner.cast(offset) != offset):
        raise CardError(f"tensor 'scale.offset' holds numbers that {card.inner} does not")
    single = max(kind.width, inner.width) + inner.fraction <= _SINGLE
    offset, factor = (values.astype(np.float32 if single else np.float64) for values in (offset, 2.0**-shift))

    def step(x: Floats) -> Floats:
        return output.cast(inner.cast(inner.cast(kind.cast(x) - offset) * factor))

    return step, _Numbers.of(output, size)


def _layer(card: Any, name: str, taken: _Tensors, numbers: _Numbers) -> tuple[_Function, _Numbers, float]:
    """The step of a layer, what is known of its numbers, and the widest sum in it, in bits."""
    output = FixedType.parse(card.output)
    if isinstance(card, Dense):
        weight = taken(f"{name}.weight", len(numbers.low), -1)
        return _dense(card, weight, taken(f"{name}.bias", weight.shape[1]), numbers)
    if isinstance(card, Convolution):
        return _convolution(card, taken(f"{name}.weight", -1, -1, -1), taken, name, numbers)
    if isinstance(card, Affine):
        scale, bias = (taken(f"{name}.{what}", len(numbers.low)) for what in ("scale", "bias"))
        ends = np.stack([numbers.low * scale, numbers.high * scale])
        fraction = max(numbers.fraction + fraction_of(scale), fraction_of(bias))
        exact = _Numbers(ends.min(axis=0) + bias, ends.max(axis=0) + bias, fraction)
        cast, after = exact.cast(output)
        return (lambda x: cast(x * scale + bias)), after, exact.bits
    if card.kind == "relu" and not output.signed and output.overflow == "AP_SAT":  # saturation takes what is below 0
        cast, after = replace(numbers, fraction=_DOUBLE).cast(output)
        return cast, replace(after, fraction=output.fraction), numbers.bits
    positive = card.kind == "relu"
    low = np.maximum(numbers.low, 0) if positive else numbers.low
    high = np.maximum(numbers.high, 0) if positive else numbers.high
    cast, after = _Numbers(low, high, numbers.fraction).cast(output)
    return (lambda x: cast(np.maximum(x, 0))) if positive else cast, after, numbers.bits


def _dense(
    card: Dense | Convolution, weight: Floats, bias: Floats, numbers: _Numbers
) -> tuple[_Function, _Numbers, float]:
    accumulator, output = FixedType.parse(card.accumulator), FixedType.parse(card.output)
    if accumulator.overflow != "AP_WRAP":
        raise CardError(f"accumulator {accumulator}: a sum that saturates depends on its order and is not known")
    bias = accumulator.cast(bias)
    fraction = numbers.fraction + fraction_of(weight)
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    low = numbers.low @ positive + numbers.high @ negative + bias
    high = numbers.high @ positive + numbers.low @ negative + bias
    # A product that is rounded down loses less than one step of the accumulator.
    lost = 0.0 if fraction <= accumulator.fraction else len(weight) * 2.0**-accumulator.fraction
    sums = _Numbers(low - lost, high, max(min(fraction, accumulator.fraction), fraction_of(bias)))
    summed, between = sums.cast(accumulator)
    cast, after = between.cast(output)
    widest = replace(sums, fraction=max(fraction, sums.fraction)).bits + np.log2(len(weight))
    if lost:
        products = _TruncatedProducts(weight, accumulator)
        return (lambda x: cast(summed(products(x) + bias))), after, widest
    if widest <= _SINGLE:
        weight, bias = weight.astype(np.float32), bias.astype(np.float32)
        return (lambda x: cast(summed(x.astype(np.float32, copy=False) @ weight + bias))), after, widest
    return (lambda x: cast(summed(x.astype(np.float64) @ weight + bias))), after, widest


class _TruncatedProducts:
    """Sums of products, each of which is first rounded down to the accumulator's bits."""

    def __init__(self, weight: Floats, accumulator: FixedType) -> None:
        self._weight, self._step = weight * 2.0**accumulator.fraction, 2.0**-accumulator.fraction

    def __call__(self, x: Floats) -> Floats:
        x = x.astype(np.float64)
        columns = [np.floor(x * column).sum(axis=1) for column in self._weight.T]
        return np.stack(columns, axis=1) * self._step


def _step(card: Any, name: str, state: State) -> Step:
    """A layer as a step for logic."""
    output = FixedType.parse(card.output)
    if isinstance(card, Affine):
        return Multiplied(state[f"{name}.scale"], state[f"{name}.bias"], output)
    if not isinstance(card, (Dense, Convolution)):
        return Cast(output, card.kind == "relu")
    weight, places = state[f"{name}.weight"], None
    if isinstance(card, Convolution):
        places = _places(card, *weight.shape[1:])
        weight = weight.reshape(len(weight), -1).T
    return Summed(weight, state[f"{name}.bias"], FixedType.parse(card.accumulator), output, places)


def _places(card: Convolution, height: int, width: int) -> npt.NDArray[np.int64]:
    """The pixels under each position of a filter, shape (positions, height * width)."""
    rows, columns = card.image
    down, across = (rows - height) // card.stride + 1, (columns - width) // card.stride + 1
    first = np.arange(down)[:, None] * card.stride * columns + np.arange(across) * card.stride
    inside = np.arange(height)[:, None] * columns + np.arange(width)
    return (first[..., None, None] + inside).reshape(-1, height * width)


def _convolution(
    card: Convolution, weight: Floats, taken: _Tensors, name: str, numbers: _Numbers
) -> tuple[_Function, _Numbers, float]:
    filters, height, width = weight.shape
    rows, columns = card.image
    if rows * columns != len(numbers.low) or height > rows or width > columns:
        raise CardError(f"layer {name}: {len(numbers.low)} numbers are no image {rows} x {columns} for its filters")
    places = _places(card, height, width)
    patch = _Numbers(numbers.low[places].min(axis=0), numbers.high[places].max(axis=0), numbers.fraction)
    step, after, widest = _dense(card, weight.reshape(filters, -1).T, taken(f"{name}.bias", filters), patch)
    spread = replace(after, low=np.tile(after.low, len(places)), high=np.tile(after.high, len(places)))

    def convolve(x: Floats) -> Floats:
        return step(x[:, places].reshape(-1, height * width)).reshape(len(x), -1)

    return convolve, spread, widest


def _score_of(card: ScoreRule, seen: list[_Numbers]) -> Callable[[list[Floats]], Floats]:
    """The score of what the steps gave, in float64."""
    result, output, last = FixedType.parse(card.result), FixedType.parse(card.output), seen[-1]
    accumulator = FixedType.parse(card.accumulator or card.result)
    if card.kind == "output":
        if len(last.low) != 1:
            raise CardError(f"the score is the output, but the last layer gives {len(last.low)} numbers")
        return lambda given: output.cast(result.cast(given[-1][:, 0].astype(np.float64))) * card.per_unit

    def of(values: Floats) -> Floats:
        squares = accumulator.cast(np.square(values.astype(np.float64)))
        return output.cast(result.cast(accumulator.cast(squares.sum(axis=1)))) * card.per_unit

    if card.kind == "squares":
        return lambda given: of(given[-1])
    if card.compared_to is None or card.difference is None or card.compared_to + 1 >= len(seen):
        raise CardError("model.score: a distance needs difference and compared_to, one of the layers before the last")
    other, difference = card.compared_to + 1, FixedType.parse(card.difference)
    if len(seen[other].low) != len(last.low):
        raise CardError(f"layer {card.compared_to} gives {len(seen[other].low)} numbers, the last {len(last.low)}")
    return lambda given: of(difference.cast(given[-1].astype(np.float64) - given[other].astype(np.float64)))
