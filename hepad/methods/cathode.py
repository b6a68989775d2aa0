"""CATHODE: data in the window against background that a flow interpolates from the sidebands.

Hallin et al., "Classifying anomalies through outer density estimation", Phys. Rev. D 106 (2022) 055006,
arXiv:2109.00546. The flow learns the density of the sidebands given the mass; what it draws at the masses of the window
follows the mass as background does, so that numbers which do so do not tell it from the data.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from hepad.inputs.batch import Batch
from hepad.methods.base.flow_method import FlowConfig, FlowMethod
from hepad.methods.base.sideband_flow import SidebandFlow

__all__ = ["Cathode", "CathodeConfig"]


class CathodeConfig(FlowConfig):
    """`flow` is what learns the sidebands, one for each fold, without its events; `oversampling` events are drawn from
    it for one of the data in the window. `classifier` tells the data from them, in `rotations` and `restarts` as of
    `cwola`. The authors have a network of 64, 64 and 64, the mean of its 10 best epochs, and draw four.
    """


class Cathode(FlowMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like what the window has more of than background; `log_odds`, the mean of the classifiers.

    Masses are drawn from a kernel density of those of the data in the window.
    """

    name: ClassVar[str] = "cathode"
    config: ClassVar[type[FlowConfig]] = CathodeConfig

    def _view(self, flow: SidebandFlow, batch: Batch) -> Batch:  # noqa: ARG002  they are seen as they are
        return batch

    def _background(
        self, flow: SidebandFlow, mass: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        return flow.sample(mass, rng)
