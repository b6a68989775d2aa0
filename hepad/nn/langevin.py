"""Samples of the density exp(-energy / temperature) of a network: Langevin chains, and where they begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hepad.nn.arrays import check_arrays
from hepad.nn.sources import Noise

__all__ = ["Chain", "Replay"]


@dataclass(frozen=True)
class Chain:
    """`steps` steps y - step * gradient / temperature + noise N(0, 1), each then put within `bounds`.

    The step is noise^2 / 2: short ones sample the density exp(-energy / temperature).
    """

    steps: int
    noise: float
    temperature: float
    bounds: tuple[float, float]

    def run(self, energy: Callable[[Tensor], Tensor], start: Tensor, noise: Noise, *, keep: bool) -> Tensor:
        """Where chains end that begin at `start` of shape (n, d); `energy` gives shape (n,) for it.

        With `keep` the result is a function of the parameters of the energy, through all steps; it takes the memory of
        so many passes.
        """
        pull = self.noise**2 / 2 / self.temperature
        y = start.detach()
        with torch.enable_grad():
            for _ in range(self.steps):
                y = y if y.requires_grad else y.requires_grad_()
                (gradient,) = torch.autograd.grad(energy(y).sum(), y, create_graph=keep)
                y = (y - pull * gradient + self.noise * noise.normal(*y.shape)).clamp(*self.bounds)
                y = y if keep else y.detach()
        return y


class Replay:
    """The last ends of chains, the oldest leaving first, from where most of the next ones begin: a `Memory`.

    (Du and Mordatch, arXiv:1903.08689, and Tieleman, ICML 2008, for persistent chains.)
    """

    def __init__(self, size: int, width: int, share: float) -> None:
        """It holds up to `size` rows of `width` numbers; a chain goes on from one of them with probability `share`."""
        self._rows = np.zeros((size, width), dtype=np.float32)
        self._pushed, self._share = 0, share

    def __len__(self) -> int:
        return min(self._pushed, len(self._rows))

    def starts(self, fresh: Tensor, noise: Noise) -> Tensor:
        """The rows of `fresh`, of shape (n, width), most of them replaced by remembered ones, once there are any."""
        replayed = noise.uniform(len(fresh)) < self._share
        if not len(self):
            return fresh
        which = noise.integers(len(self), len(fresh)).cpu().numpy()
        remembered = torch.from_numpy(self._rows[which]).to(fresh.device)
        return torch.where(replayed[:, None], remembered, fresh)

    def push(self, rows: Tensor) -> None:
        """Remember these rows, in the places of the oldest."""
        new = rows.detach().cpu().numpy()[-len(self._rows) :]
        self._rows[(self._pushed + np.arange(len(new))) % len(self._rows)] = new
        self._pushed += len(new)

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """The rows, and how many were ever pushed."""
        return {"rows": self._rows.copy(), "pushed": np.array([self._pushed], dtype=np.float64)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `state` gave; `CardError` if it is of another size."""
        check_arrays({"rows": self._rows.shape, "pushed": (1,)}, state, "checkpoint: replay buffer")
        self._rows, self._pushed = np.array(state["rows"], dtype=np.float32), int(state["pushed"][0])
