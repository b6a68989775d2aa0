"""The yardstick of all searches: trained on the very signal, told from background by labels.

What an analysis reaches that knows what it looks for; no method that does not can do better.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hepad.inputs.batch import Batch
from hepad.methods.base.checks import check_inside
from hepad.methods.base.contract import Problem, Sample
from hepad.methods.base.folded import Contest, FoldedConfig, contest_of
from hepad.methods.base.folded_method import FoldedMethod

__all__ = ["Supervised", "SupervisedConfig"]


class SupervisedConfig(FoldedConfig):
    """As of `cwola`: the classifier tells simulated signals from events of background, both in the window."""


class Supervised(FoldedMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's background in the window
    that looks at least as much like signal; `log_odds`, the logarithm of the ratio of their densities. Of several
    signals each has as much weight as its events.
    """

    name: ClassVar[str] = "supervised"
    config: ClassVar[type[FoldedConfig]] = SupervisedConfig
    parts: ClassVar[tuple[str, ...]] = ()
    wants: ClassVar[tuple[str, ...]] = ("background", "signals")

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`; both must be in the window."""
        super().check(problem)
        check_inside(_signal(problem), "signal", problem)
        check_inside(self.reference(problem), "background", problem)

    def contest(self, problem: Problem) -> Contest:
        """The signals in the window against background in it."""
        return contest_of(_signal(problem), self.reference(problem))

    def reference(self, problem: Problem) -> Sample:
        """The background in the window."""
        return problem.background_inside()


def _signal(problem: Problem) -> Sample:
    samples = [problem.inside(sample) for sample in problem.signals.values()]
    events = Batch.concatenate([sample.events for sample in samples])
    return Sample(events, np.concatenate([sample.folds for sample in samples]))
