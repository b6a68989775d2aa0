"""Classical searches: cuts on quantities of an event, the same in all windows; nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_sample
from hepad.methods.base.contract import Folds, How, Network, Problem, Training
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import Scores, State

__all__ = ["Cuts", "CutsConfig"]

_PASSES = "passes"


class CutsConfig(Card):
    """`require`: for names of the input the lowest and the highest value that pass, in its units; null for no bound.

    The input is not scaled: `scale: none`. Without requirements all events pass.
    """

    require: dict[str, tuple[float | None, float | None]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rise(self) -> CutsConfig:
        for name, (low, high) in self.require.items():
            if low is not None and high is not None and not low < high:
                raise ValueError(f"require {name}: {low:g} is not below {high:g}")
        return self


class Cuts:
    """The method. Score: `passes`, 1 for an event that passes all cuts and has what they are made on, else 0."""

    name: ClassVar[str] = "cuts"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    score_names: ClassVar[tuple[str, ...]] = (_PASSES,)
    parts: ClassVar[tuple[str, ...]] = ()
    wants: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        self._config = parse_card(CutsConfig, dict(config), f"method {self.name}")
        unknown = [name for name in self._config.require if name not in layout.features]
        if unknown:
            raise CardError(f"method {self.name} cuts on {unknown[0]}, which is not among the features of the input")

    def check_folds(self, folds: int) -> None:
        """Any number will do."""

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`."""
        check_sample(self, problem.data, "")

    def trainings(self, folds: int) -> tuple[Training, ...]:  # noqa: ARG002
        """None."""
        return ()

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:  # noqa: ARG002
        """There is nothing to train."""
        return {}

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedCuts:  # noqa: ARG002
        """The cuts."""
        return self._cuts

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedCuts:
        """The cuts; `CardError` for any state but an empty one."""
        check_arrays({}, state, f"state of {self.name}")
        return self._cuts

    @property
    def _cuts(self) -> FittedCuts:
        return FittedCuts(self._config.require, self.layout)


class FittedCuts:
    """The cuts on events of a layout."""

    score_names: ClassVar[tuple[str, ...]] = Cuts.score_names
    networks: ClassVar[tuple[Network, ...]] = ()

    def __init__(self, require: Mapping[str, tuple[float | None, float | None]], layout: Layout) -> None:
        self._require, self._layout = require, layout

    def scores(self, batch: Batch, folds: Folds) -> Scores:  # noqa: ARG002  all are treated alike
        """1 or 0 of events, shape (n,)."""
        passes = np.ones(len(batch), dtype=np.bool_)
        for name, (low, high) in self._require.items():
            place = self._layout.features.index(name)
            values, there = batch.x[:, place], batch.there[:, place]
            least, most = (-np.inf if low is None else low), (np.inf if high is None else high)
            passes &= there & (values >= least) & (values <= most)
        return {_PASSES: passes.astype(np.float32)}

    def state(self) -> State:
        """Nothing was learned."""
        return {}
