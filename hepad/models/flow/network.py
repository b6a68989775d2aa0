"""The normalising flow as a model, in torch where it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.layout import VECTOR, Layout
from hepad.models.flow import FlowConfig
from hepad.nn.conditional_flow import ConditionalFlow
from hepad.nn.density import FlowDensity, log_density
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise

__all__ = ["FlowModel"]


class FlowModel(FlowDensity):
    """A masked autoregressive flow of the quantities of an event or a jet; one that is lacking counts as its mean.

    Score `nll`: minus the natural logarithm of the density of the scaled quantities.
    """

    name: ClassVar[str] = "flow"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "jet_features")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(FlowConfig, dict(config), f"model {self.name}")
        if layout.axes != VECTOR:
            raise CardError(f"{self.name} takes a vector, not an input of axes {', '.join(layout.axes)}")
        super().__init__(layout, self._settings.blocks, self._settings.width, self._settings)

    def _recipe(self, module: ConditionalFlow, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        spread = self._settings.noise

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            (x,) = rows
            return -log_density(module, x + spread * noise.normal(*x.shape))

        return Recipe.of_rows(module, step)
