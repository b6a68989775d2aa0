"""The yardstick of weak supervision: data in the window against a sample of pure background there.

What no analysis has: whatever makes its background out of the sidebands finds at most what this finds (Hallin et al.,
Phys. Rev. D 106 (2022) 055006, arXiv:2109.00546, the "idealized anomaly detector").
"""

from __future__ import annotations

from typing import ClassVar

from hepad.methods.base.checks import check_inside
from hepad.methods.base.contract import Problem, Sample
from hepad.methods.base.folded import Contest, FoldedConfig, contest_of
from hepad.methods.base.folded_method import FoldedMethod

__all__ = ["Idealised", "IdealisedConfig"]


class IdealisedConfig(FoldedConfig):
    """As of `cwola`: the classifier tells the data in the window from events of background in it."""


class Idealised(FoldedMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's background in the window
    that looks at least as much like data; `log_odds`, the logarithm of the ratio of their densities.
    """

    name: ClassVar[str] = "idealised"
    config: ClassVar[type[FoldedConfig]] = IdealisedConfig
    parts: ClassVar[tuple[str, ...]] = ("window",)
    wants: ClassVar[tuple[str, ...]] = ("background",)

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`; background must be in the window too."""
        super().check(problem)
        check_inside(self.reference(problem), "background", problem)

    def contest(self, problem: Problem) -> Contest:
        """The data in the window against background in it."""
        return contest_of(problem.data.take(problem.parts["window"]), self.reference(problem))

    def reference(self, problem: Problem) -> Sample:
        """The background in the window."""
        return problem.background_inside()
