"""Which numbers of an event carry a score that is no sum over them: integrated gradients, made to be complete.

Reference: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017, arXiv:1703.01365.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hepad.inputs.layout import Layout
from hepad.nn.explain import Attribution
from hepad.nn.reproducible import single_thread

__all__ = ["PathAttribution", "in_channel", "integrated_gradients"]

_AT_ONCE = 16
"""Points of a path that are evaluated together."""


@dataclass(frozen=True)
class PathAttribution:
    """The parts (...) of an event's score, the score, and that of the event without any of its numbers."""

    parts: npt.NDArray[np.float64]
    score: float
    baseline: float


def in_channel(
    events: Sequence[PathAttribution], place: int, layout: Layout, method: Literal["exact", "path"]
) -> Attribution:
    """The attributions (1, eta, phi) of events as those of images, of which the network sees the channel at a place."""
    parts = np.zeros((len(events), *layout.shape))
    for row, event in enumerate(events):
        parts[row, place] = event.parts[0]
    score, baseline = (np.array([getattr(event, name) for event in events]) for name in ("score", "baseline"))
    return Attribution(parts, score, baseline, method)


def integrated_gradients(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    segments: int = 16,
    most: int = 256,
    tolerance: float = 1e-3,
) -> PathAttribution:
    """Share out what a score changes by along the straight path from zeros to an event x (...), in x's precision.

    `function` gives the scores (n,) of events (n, ...). A part is the number times the mean of the gradient along the
    path. Networks of ReLU and the like are straight between kinks: in each segment the gradients of its two ends are
    weighted so that they give the change of the score there, which is exact for one kink. Segments where no weights do
    are halved, until what is not shared out, segment by segment, is less than `tolerance` of the change, or the path
    has `most` points: networks that normalise what they see change within a hundredth of it.
    """
    path = _Path.of(function, x, torch.linspace(0, 1, segments + 1, dtype=x.dtype, device=x.device))
    while True:
        weights, left = path.weights()
        change = path.value[1:] - path.value[:-1]
        allowed = tolerance * max(abs(float(change.sum())), float(change.abs().sum()) / 100)
        worst = left.abs() > allowed / len(left)
        if float(left.abs().sum()) <= allowed or not worst.any() or len(path.place) + int(worst.sum()) > most:
            break
        middles = (path.place[1:] + path.place[:-1])[worst] / 2
        path = path.joined(_Path.of(function, x, middles))
    parts = torch.tensordot(weights, path.gradient, dims=1) * x
    return PathAttribution(parts.cpu().numpy(), float(path.value[-1]), float(path.value[0]))


@dataclass(frozen=True)
class _Path:
    """Points of a path (m,), rising, with scores (m,), gradients (m, ...) and their products with the event (m,)."""

    place: Tensor
    value: Tensor
    gradient: Tensor
    slope: Tensor

    @classmethod
    def of(cls, function: Callable[[Tensor], Tensor], x: Tensor, places: Tensor) -> _Path:
        values, gradients = [], []
        with single_thread(), torch.enable_grad():
            for some in torch.split(places, _AT_ONCE):
                points = (some.view(-1, *[1] * x.dim()) * x).requires_grad_()
                scores = function(points)
                (gradient,) = torch.autograd.grad(scores.sum(), points)
                values.append(scores.detach())
                gradients.append(gradient.detach())
        gradient = torch.cat(gradients)
        return cls(places, torch.cat(values), gradient, (gradient * x).flatten(1).sum(dim=1))

    def joined(self, other: _Path) -> _Path:
        order = torch.argsort(torch.cat([self.place, other.place]))
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("place", "value", "gradient", "slope"))
        return _Path(*(torch.cat(pair)[order] for pair in pairs))

    def weights(self) -> tuple[Tensor, Tensor]:
        """Those of the points' gradients (m,), and what each segment (m - 1,) then lacks of the change of the score."""
        width = self.place[1:] - self.place[:-1]
        change = self.value[1:] - self.value[:-1]
        first, last = self.slope[:-1], self.slope[1:]
        bend = first - last
        straight = bend.abs() <= 1e-12 * (first.abs() + last.abs())
        share = torch.where(straight, 0.5, (change / width - last) / torch.where(straight, 1.0, bend)).clamp(0, 1)
        weights = torch.zeros_like(self.place)
        weights[:-1] += width * share
        weights[1:] += width * (1 - share)
        return weights, change - width * (share * first + (1 - share) * last)
