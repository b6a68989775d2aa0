"""A network in its hardware's own arithmetic as logic: nothing is rounded but what its library rounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.nn.exact import ExactNetwork, Multiplied, Step, Summed, hardware_rows
from hepad.trigger.casts import cast, format_of, products_summed, sum_of_squares
from hepad.trigger.fixed import Floats, Format, Numbers, positive_part

__all__ = ["ExactDesign", "hardware_formats", "hardware_ports"]

_PORTS = {"pt": Format(False, 12, 0), "eta": Format(True, 8, 0), "phi": Format(False, 10, 0)}
"""What a trigger's objects have: the widest E_T is that of sums, and muons have the finest angles."""


def hardware_formats(layout: Layout, network: ExactNetwork) -> tuple[Format, ...]:
    """The ports of a network's inputs: those of an object's features, else the integers of its input type."""
    whole = format_of(network.input)._replace(fraction=0)
    return hardware_ports(layout) if layout.slots else (whole,) * layout.size


def hardware_ports(layout: Layout) -> tuple[Format, ...]:
    """The ports of objects in the integers of the hardware; `CardError` for what is none of their features."""
    for slot in layout.slots:
        if slot.feature not in _PORTS:
            raise CardError(f"column {slot.name!r} is no pt, eta or phi of an object: how wide it is is not known")
    return tuple(_PORTS[slot.feature] for slot in layout.slots)


class ExactDesign:
    """A network that has its bit widths, with the interface of `hepad.trigger.design.Design`.

    Called with rows of integers (n, d) it gives what the network itself computes, with one traced row (d,) the logic.
    `shallow` asks for the shallowest trees of adders; what it computes stays the same.
    """

    encoder = False

    def __init__(self, network: ExactNetwork, layout: Layout, *, shallow: bool = False) -> None:
        self.network, self.inputs, self.shallow = network, hardware_formats(layout, network), shallow

    @property
    def scale(self) -> float:
        """The score for a raw score of 1."""
        return float(self.network.score.per_unit)

    @property
    def bits(self) -> dict[str, int]:
        """That of what the network is given, after its scaling; every width is the library's."""
        scaling = self.network.scaling
        return {"input": (self.network.input if scaling is None else scaling.output).width}

    def quantised(self, x: npt.ArrayLike) -> Floats:
        """Inputs of the layout's shape as rows of integers within their ports, shape (n, d)."""
        rows = np.floor(hardware_rows(np.asarray(x, dtype=np.float64)))
        low, high = np.array([form.low for form in self.inputs]), np.array([form.high for form in self.inputs])
        return np.asarray(np.clip(rows, low, high))

    def scores(self, x: npt.ArrayLike) -> Floats:
        """The score of each input of the layout's shape, as the logic gives it, shape (n,)."""
        return self.network.scores(self.quantised(x))

    def operations(self, x: npt.ArrayLike) -> dict[str, float]:  # noqa: ARG002  they depend on no event
        """Products with weights that are not 0 (a normalisation's included), and numbers that layers give."""
        macs, numbers, width = 0, 0, len(self.inputs)
        for step in self.network.steps:
            if isinstance(step, Summed):
                positions = 1 if step.places is None else len(step.places)
                macs += positions * int(np.count_nonzero(step.weight))
                width = positions * len(step.bias)
                numbers += width
            elif isinstance(step, Multiplied):
                macs += width
        return {"mac": float(macs), "conditional_adds": 0.0, "neuron_updates": float(numbers)}

    def __call__(self, x: Numbers) -> Numbers:
        """The raw score of rows (n, d), shape (n, 1), or of one traced row."""
        if isinstance(x, np.ndarray):
            return self.network.scores(x)[:, np.newaxis] / self.scale
        seen = [self._scaled(x)]
        for step in self.network.steps:
            seen.append(_taken(step, seen[-1]))
        return self._scored(seen)

    def _scaled(self, x: Numbers) -> Numbers:
        scaling, kind = self.network.scaling, self.network.input
        x = cast(x, kind)
        if scaling is None:
            return x
        shifted = cast(x - scaling.offset, scaling.inner) * 2.0**-scaling.shift
        return cast(cast(shifted, scaling.inner), scaling.output)

    def _scored(self, seen: list[Numbers]) -> Numbers:
        rule, last = self.network.score, seen[-1]
        if rule.kind != "output":
            if rule.kind == "distance":
                assert rule.difference is not None and rule.compared_to is not None  # noqa: S101, PT018
                last = cast(last - seen[rule.compared_to + 1], rule.difference)
            last = cast(sum_of_squares(last, rule.accumulator), rule.accumulator)
        return cast(cast(last, rule.result), rule.output)


def _taken(step: Step, x: Numbers) -> Numbers:
    if isinstance(step, Summed):
        bias = step.accumulator.cast(step.bias)
        rows = x if step.places is None else x[step.places]
        sums = products_summed(rows, step.weight, bias, step.accumulator).ravel()
        return cast(cast(sums, step.accumulator), step.output)
    if isinstance(step, Multiplied):
        return cast(x * step.scale + step.bias, step.output)
    return cast(positive_part(x) if step.positive else x, step.output)
