"""What models made of models share: members trained one after the other, one state and one checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.device import OnDevice
from hepad.nn.in_turn import Stage, fit_in_turn
from hepad.nn.scorer import (
    Checkpoint,
    EpochEnd,
    FitReport,
    Scorer,
    Scores,
    State,
    TrainingData,
    check_training,
    trainable,
)
from hepad.nn.supervised import is_supervised

__all__ = ["Composite", "member_seed"]


class Composite(ABC):
    """Members by name, trained one after the other, and their states side by side."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]]
    score_names: tuple[str, ...] = ()

    def __init__(self, config: Card, layout: Layout, members: Mapping[str, Scorer]) -> None:
        self.layout = layout
        self._config = config
        self._members = dict(members)

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, the members' included, in JSON types."""
        return self._config.model_dump(mode="json")

    def fit(
        self,
        data: TrainingData,
        *,
        options: TrainCard,
        seed: int,
        device: str = "cpu",
        on_epoch: Callable[[EpochEnd], None] | None = None,
        resume: Checkpoint | None = None,
    ) -> FitReport:
        """Train the members one after the other, each with a seed of its own; a checkpoint knows where it was."""
        check_training(self, data)
        before = self.state()
        try:
            return fit_in_turn(
                self._stages(data, seed), options=options, device=device, on_epoch=on_epoch, resume=resume
            )
        except BaseException:
            self.load_state(before)
            raise

    @property
    def supervised(self) -> bool:
        """Whether one of the members learns from a signal: see `hepad.nn.supervised`."""
        return any(is_supervised(one) for one in self._members.values())

    @property
    def takes_device(self) -> bool:
        """Whether one of the members is evaluated with torch: see `hepad.nn.device.OnDevice`."""
        return any(isinstance(one, OnDevice) and one.takes_device for one in self._members.values())

    def score_on(self, device: str) -> None:
        """Evaluate the members that torch evaluates on this device, in this process."""
        for one in self._members.values():
            if isinstance(one, OnDevice):
                one.score_on(device)

    @abstractmethod
    def scores(self, batch: Batch) -> Scores:
        """What is made of the members' scores."""

    def state(self) -> State:
        """The weights of all members, `member/tensor`."""
        return {f"{name}/{key}": array for name, one in self._members.items() for key, array in one.state().items()}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take weights written by `state`; `CardError` that names the tensor at fault, and nothing is taken."""
        unknown = sorted(name for name in state if name.partition("/")[0] not in self._members)
        if unknown:
            raise CardError(f"weights of {self.name}: unknown tensor {unknown[0]!r}")
        put_back = [_as_now(one) for one in self._members.values()]
        try:
            for name, one in self._members.items():
                one.load_state(_part(state, f"{name}/"))
        except CardError:
            for undo in put_back:
                undo()
            raise

    def _stages(self, data: TrainingData, seed: int) -> list[Stage]:
        """Each member on the same events, with a seed of its own."""
        members = enumerate(self._members.values())
        return [Stage(trainable(one), lambda: data, member_seed(seed, place)) for place, one in members]


def _as_now(one: Scorer) -> Callable[[], None]:
    """What makes a member again what it is now; weights that one has not got yet are not drawn, as torch does that."""
    if getattr(one, "untrained", False):
        kept = dict(vars(one))

        def forget() -> None:
            vars(one).clear()
            vars(one).update(kept)

        return forget
    state = one.state()
    return lambda: one.load_state(state)


def member_seed(seed: int, place: int) -> int:
    """Seeds that no two members share, for no two neighbouring seeds of the whole either."""
    return int(np.random.SeedSequence([seed % 2**64, place]).generate_state(1, np.uint32)[0])


def _part(state: Mapping[str, npt.NDArray[Any]], prefix: str) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
