"""LaCATHODE: as CATHODE, but events are told apart by what the flow makes of them, in which background has no mass.

Hallin et al., "Resonant anomaly detection without background sculpting", Phys. Rev. D 107 (2023) 114012,
arXiv:2210.14924. The flow takes background of any mass to normal numbers; a classifier of the data in the window, taken
there, against normal numbers selects as much background at each mass as far as the flow is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import Problem
from hepad.methods.base.flow_method import FLOW, FlowConfig, FlowMethod
from hepad.methods.base.folded import FittedFolds
from hepad.methods.base.sideband_flow import SidebandFlow
from hepad.nn.scorer import State

__all__ = ["LaCathode", "LaCathodeConfig"]


class LaCathodeConfig(FlowConfig):
    """As of `cathode`; the classifier sees the latent numbers of the best epoch of the `flow`, and tells those of the
    data in the window from normal ones.
    """


class LaCathode(FlowMethod):
    """The method. Scores: as of `cathode`."""

    name: ClassVar[str] = "lacathode"
    config: ClassVar[type[FlowConfig]] = LaCathodeConfig

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What they amount to; ranks are those among the sidebands."""
        names = {fold: f"{FLOW}{fold}" for fold in range(problem.folds)}
        views = {
            fold: _Latent(self._flow(trained[name], f"{self.name}, {name}").best()) for fold, name in names.items()
        }
        return self._classifier.gathered(problem.folds, trained, self.reference(problem), views)

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state, lambda own, origin: _Latent(self._flow(own, origin)))

    def _seen(self) -> Layout:
        return Layout.latent(self.layout.size)

    def _view(self, flow: SidebandFlow, batch: Batch) -> Batch:
        return _Latent(flow)(batch)

    def _background(
        self, flow: SidebandFlow, mass: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        return rng.standard_normal((len(mass), flow.layout.size), dtype=np.float32)


@dataclass(frozen=True)
class _Latent:
    """Events as the latent numbers of a flow."""

    flow: SidebandFlow

    def __call__(self, batch: Batch) -> Batch:
        layout = Layout.latent(self.flow.layout.size)
        return Batch(batch.kind, layout, self.flow.latent(batch), None, batch.weight, batch.beside)

    def state(self) -> State:
        return self.flow.state()
