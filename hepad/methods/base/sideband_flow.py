"""The background in the window out of its sidebands: a flow learns their density given the mass, which interpolates.

Hallin et al., "Classifying anomalies through outer density estimation", Phys. Rev. D 106 (2022) 055006,
arXiv:2109.00546. For each fold there is a flow that has not seen its events: they are scored and set the working point,
and what was made of them would look like them. No torch in here but for who trains, samples or scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit, logit

from hepad.cards.base import Card
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import MASS, How, Problem, Sample, Window
from hepad.methods.base.marginals import Marginals, noise_of
from hepad.nn.scorer import State

if TYPE_CHECKING:
    from hepad.nn.conditional_flow import ConditionalFlow

__all__ = ["FlowCard", "SidebandFlow", "masses_in", "train_flow"]

_BANDWIDTH = 0.01
"""Of the kernels of the mass, in the logit of where it is in the window; the authors' number."""
_EPOCH, _MARGINALS, _RANGE = "epoch", "marginals", "range"


class FlowCard(Card):
    """A masked autoregressive flow of `blocks` steps with networks of two hidden layers of `width`, trained with Adam
    until the validation loss has not fallen for `patience` epochs, null for all `epochs`. Samples are drawn from its
    `keep_epochs` best epochs, as many from each. The authors have 15 blocks of 128, 100 epochs, batches of 256, a
    learning rate of 1e-4, no patience and 10 epochs that are kept.
    """

    blocks: int = Field(default=5, ge=1, le=100)
    width: int = Field(default=64, ge=1, le=4096)
    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    patience: int | None = Field(default=10, ge=1)
    keep_epochs: int = Field(default=10, ge=1, le=100)

    @property
    def train(self) -> TrainCard:
        """How it is trained."""
        return TrainCard(keep="best", **self.model_dump(exclude={"blocks", "width"}))


@dataclass(frozen=True)
class SidebandFlow:
    """Flows of the best epochs, the best first, what makes the numbers of an event normal, the range of the mass."""

    layout: Layout
    marginals: Marginals
    range: tuple[float, float]
    epochs: tuple[ConditionalFlow, ...]
    states: tuple[State, ...]

    @classmethod
    def restored(
        cls, card: FlowCard, layout: Layout, state: Mapping[str, npt.NDArray[Any]], origin: str
    ) -> SidebandFlow:
        """What `state` or `train_flow` gave; `CardError` that names what is missing, unknown or misshapen."""
        from hepad.nn.arrays import check_arrays
        from hepad.nn.tensors import set_weights

        parts: dict[str, State] = {}
        for name, array in state.items():
            part, _, inner = name.rpartition("/")
            parts.setdefault(part, {})[inner] = np.asarray(array)
        check_arrays({_RANGE: (2,)}, parts.pop("", {}), origin)
        marginals = Marginals.restored(parts.pop(_MARGINALS, {}), layout.size, f"{origin}, {_MARGINALS}")
        states = tuple(parts[name] for name in sorted(parts, key=lambda name: (len(name), name)))
        if not states or set(parts) != {f"{_EPOCH}{place}" for place in range(len(states))}:
            raise CardError(f"{origin}: tensors of the epochs of a flow are missing, or unknown: {', '.join(parts)}")
        epochs = tuple(_network(card, layout) for _ in states)
        for place, (network, arrays) in enumerate(zip(epochs, states, strict=True)):
            set_weights(network, arrays, f"{origin}, {_EPOCH}{place}")
        low, high = (float(edge) for edge in state[_RANGE])
        return cls(layout, marginals, (low, high), epochs, states)

    def state(self) -> State:
        """All that was learned, as arrays."""
        found = {f"{_MARGINALS}/{name}": array for name, array in self.marginals.state().items()}
        for place, arrays in enumerate(self.states):
            found |= {f"{_EPOCH}{place}/{name}": np.array(array) for name, array in arrays.items()}
        return {**found, _RANGE: np.array(self.range, dtype=np.float64)}

    def best(self) -> SidebandFlow:
        """The best epoch alone."""
        return replace(self, epochs=self.epochs[:1], states=self.states[:1])

    def sample(self, mass: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Numbers (n, d) of background of each mass (n,), in turn by the flows of the epochs."""
        from hepad.nn.conditional_flow import drawn

        latent = rng.standard_normal((len(mass), self.layout.size), dtype=np.float32)
        context = _context(mass, self.range)
        for place, flow in enumerate(self.epochs):
            rows = slice(place, None, len(self.epochs))
            latent[rows] = drawn(flow, latent[rows], context[rows])
        return self.marginals.values(latent)

    def latent(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The latent numbers (n, d) of events, by the best epoch: background of any mass has normal ones.

        Those of an event do not depend on the events around it.
        """
        from hepad.nn.inference import evaluate

        flow = self.epochs[0]
        rows = (_normal(self.marginals, batch), _context(np.asarray(batch.beside[MASS]), self.range))
        return evaluate(flow, flow, rows, 2)[0]


def train_flow(card: FlowCard, layout: Layout, problem: Problem, fold: int, how: How) -> State:
    """Learn from the sidebands without the events of a fold, those of the next validate; `SidebandFlow.state` of it."""
    from hepad.nn.recipe import Recipe
    from hepad.nn.reconstruction import fit_network

    window = problem.window
    data = problem.data.take(problem.sidebands).training_data(fold, problem.folds)
    marginals = Marginals.of(_rows(data.train), data.train.weight)

    def arrays(batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return _normal(marginals, batch), _context(np.asarray(batch.beside[MASS]), window.sidebands)

    _, done = fit_network(
        lambda: _network(card, layout),
        lambda module: Recipe.of_rows(module, lambda rows, _: -module.log_prob(*rows)),
        arrays,
        data,
        options=card.train,
        seed=how.seeded(fold, len(_EPOCH)).seed,
        device=how.device,
        on_epoch=how.on_epoch,
    )
    return SidebandFlow(layout, marginals, window.sidebands, (), done.states).state()


def masses_in(window: Window, data: Sample, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """As many masses (count,) as wanted in a window, by a kernel density of those of the data in it, by their weights.

    The kernels are normal in the logit of where in the window a mass is, so that none is beside it.
    """
    chosen = rng.choice(data.mass, size=count, p=data.events.weight / data.events.weight.sum())
    place = ((chosen - window.low) / (window.high - window.low)).clip(1e-9, 1 - 1e-9)
    moved = expit(logit(place) + _BANDWIDTH * rng.standard_normal(count))
    mass = window.low + (window.high - window.low) * moved
    return np.asarray(mass.clip(window.low, np.nextafter(window.high, window.low)))


def _network(card: FlowCard, layout: Layout) -> ConditionalFlow:
    from hepad.nn.conditional_flow import ConditionalFlow

    return ConditionalFlow(layout.size, 1, card.blocks, card.width)


def _rows(batch: Batch) -> npt.NDArray[np.float32]:
    return np.asarray(batch.x, dtype=np.float32).reshape(len(batch), batch.layout.size)


def _normal(marginals: Marginals, batch: Batch) -> npt.NDArray[np.float32]:
    """Numbers as the flow sees them; where many events share a value the others of the event and its mass choose."""
    rows = _rows(batch)
    noise = noise_of(*rows.T, np.asarray(batch.beside[MASS]))
    return marginals.normal(rows, noise[:, : rows.shape[1]]).astype(np.float32)


def _context(mass: npt.NDArray[Any], limits: tuple[float, float]) -> npt.NDArray[np.float32]:
    """What the flow knows of the mass: from -1 to 1 within limits, and no more beyond, where it has learned nothing."""
    low, high = limits
    place = 2 * (np.asarray(mass, dtype=np.float64) - low) / (high - low) - 1
    return place.clip(-1, 1).astype(np.float32)[:, None]
