"""CWoLa hunting: a classifier of the window against its sidebands finds what is only in the window.

Metodiev, Nachman, Thaler, "Classification without labels", JHEP 10 (2017) 174, arXiv:1708.02949: the best classifier of
two mixtures of the same classes is the best classifier of the classes. Collins, Howe, Nachman, Phys. Rev. Lett. 121
(2018) 241803, arXiv:1805.02664, and Phys. Rev. D 99 (2019) 014038, arXiv:1902.02634: the mixtures are a window and its
sidebands, in nested folds. It looks for a bump where there is none if the inputs follow the mass: choose those that do
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import Problem
from hepad.methods.base.folded import Contest, FittedFolds, FoldedConfig, window_contest
from hepad.methods.base.folded_method import FoldedMethod
from hepad.methods.base.jets import Jets
from hepad.nn.scorer import State

__all__ = ["Cwola", "CwolaConfig"]


class CwolaConfig(FoldedConfig):
    """`classifier`: what tells the window from the sidebands, `kind: trees` or `kind: network`. For each fold
    `rotations` of the others are validated on in turn; of `restarts` that differ in their seed the one of lowest
    validation loss is kept, or, with `keep: all`, each. The mean of those kept scores the fold. The authors have a
    network of 64, 32, 16 and 4, 4 rotations and 20 restarts, in five folds. `reweight` names a number of the input that
    classifiers do not see: events of each sideband are weighted to be distributed in it as those of the window, in 20
    bins, by a ratio between 0.1 and 5.
    """

    reweight: str | None = None


class Cwola(FoldedMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like the window, so that a region has the same efficiency in each fold; `log_odds`, the mean of
    the classifiers, the logarithm of the ratio of the densities in the window and in the sidebands.
    """

    name: ClassVar[str] = "cwola"
    config: ClassVar[type[FoldedConfig]] = CwolaConfig
    _config: CwolaConfig

    def contest(self, problem: Problem) -> Contest:
        """The window against its sidebands."""
        if self._reweight is None:
            return window_contest(problem)
        values = problem.data.events.x[:, self._reweight].astype(np.float64)
        return window_contest(problem, sample=self._others.sample(problem.data, 0), matched=values)

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What the trainings amount to; ranks are those among the sidebands, as they are."""
        if self._reweight is None:
            return super().assembled(problem, trained)
        reference = self._others.sample(self.reference(problem), 0)
        return self._seeing(self._classifier.gathered(problem.folds, trained, reference))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._seeing(super().fitted(state))

    def _seeing(self, fitted: FittedFolds) -> FittedFolds:
        """The same of events with all numbers."""
        if self._reweight is None:
            return fitted
        kept = {place: (lambda batch, own=own: own(self._others.batch(batch, 0))) for place, own in fitted.kept.items()}
        return replace(fitted, kept=kept)

    def _seen(self) -> Layout:
        return self.layout if self._reweight is None else self._others.layout

    @property
    def _reweight(self) -> int | None:
        """The place of the number that is reweighted in; `CardError` if there is none of its name."""
        name, known = self._config.reweight, self.layout.features
        if name is not None and name not in known:
            raise CardError(f"reweight: {name} is not among the features of the input: {', '.join(known)}")
        return None if name is None else known.index(name)

    @property
    def _others(self) -> Jets:
        """The other numbers, as of a jet; `CardError` if there are none."""
        kept = tuple(place for place in range(self.layout.size) if place != self._reweight)
        if not kept:
            raise CardError(f"method {self.name}: nothing is left to see beside {self._config.reweight}")
        return Jets(("event",), (kept,), Layout.vector([self.layout.features[place] for place in kept]))
