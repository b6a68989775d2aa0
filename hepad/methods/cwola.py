"""CWoLa hunting: a classifier of the window against its sidebands finds what is only in the window.

Metodiev, Nachman, Thaler, "Classification without labels", JHEP 10 (2017) 174, arXiv:1708.02949: the best classifier of
two mixtures of the same classes is the best classifier of the classes. Collins, Howe, Nachman, Phys. Rev. Lett. 121
(2018) 241803, arXiv:1805.02664, and Phys. Rev. D 99 (2019) 014038, arXiv:1902.02634: the mixtures are a window and its
sidebands, in nested folds. It looks for a bump where there is none if the inputs follow the mass: choose those that do
not.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hepad.methods.base.contract import PARTS, Problem, Sample
from hepad.methods.base.folded import Contest, FoldedConfig, Share
from hepad.methods.base.folded_method import FoldedMethod

__all__ = ["Cwola", "CwolaConfig"]

SHARES = (Share(PARTS[0], 0, 0.25), Share(PARTS[1], 1, 0.5), Share(PARTS[2], 0, 0.25))
"""The classes count equally, and so do the sides: no slope tells the window."""


class CwolaConfig(FoldedConfig):
    """`classifier`: what tells the window from the sidebands, `kind: trees` or `kind: network`. For each fold
    `rotations` of the others are validated on in turn; of `restarts` that differ in their seed the one of lowest
    validation loss is kept, or, with `keep: all`, each. The mean of those kept scores the fold. The authors have a
    network of 64, 32, 16 and 4, 4 rotations and 20 restarts, in five folds.
    """


class Cwola(FoldedMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like the window, so that a region has the same efficiency in each fold; `log_odds`, the mean of
    the classifiers, the logarithm of the ratio of the densities in the window and in the sidebands.
    """

    name: ClassVar[str] = "cwola"
    config: ClassVar[type[FoldedConfig]] = CwolaConfig
    parts: ClassVar[tuple[str, ...]] = PARTS

    def contest(self, problem: Problem) -> Contest:
        """The window against its sidebands."""
        parts = problem.parts
        group = np.select([parts[share.name] for share in SHARES], np.arange(len(SHARES)), -1)
        return Contest(problem.data, group, SHARES)

    def reference(self, problem: Problem) -> Sample:
        """The sidebands."""
        return problem.data.take(problem.sidebands)
