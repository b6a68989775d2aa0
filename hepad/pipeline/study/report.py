"""What a study gave: its card, its numbers and what they were made of, and their plain form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.cards.study import StudyCard
from hepad.pipeline.study.compared import Compared, Ordered
from hepad.pipeline.study.results import Results, roc_bands

__all__ = ["StudyReport"]


@dataclass(frozen=True)
class StudyReport:
    """The `results` of the trainings of a card, and how many trainings this run made.

    `split` says in words where the evaluation background is from; `quick` that the networks are not trained.
    `compared` and `ordered` are the scores side by side, where the card has them.
    `provenance` is the record that every output of hepad carries.
    """

    card: StudyCard
    results: Results
    split: str
    quick: bool
    provenance: dict[str, Any]
    trained: int
    output: Path
    compared: Sequence[Compared] = ()
    ordered: Sequence[Ordered] = ()

    def to_json(self) -> dict[str, Any]:
        """The content of results.json, and where it is."""
        return {**self.content(), "trained": self.trained, "output": str(self.output)}

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        card, results = self.card, self.results
        points = results.plan.scans
        return {
            "study": card.name,
            "card": card.model_dump(mode="json", by_alias=True, exclude={"quick"}),
            "split": self.split,
            "events": {name: len(batch) for name, batch in next(iter(results.samples.values())).items()},
            "table": {analysis: self._row(analysis, names) for analysis, names in results.plan.table.items()},
            "scans": [
                {"scan": p.scan, "analysis": p.analysis, "value": p.value, **self._numbers(p.trainings)} for p in points
            ],
            **self._compared(),
            "roc": [band.to_json() for band in roc_bands(results)],
            "latent_spikes": {
                name: {sample: fractions.tolist() for sample, fractions in t.latent.items()}
                for name, t in results.trainings.items()
                if t.latent
            },
            "trainings": {name: t.to_json() for name, t in results.trainings.items()},
            "quick": self.quick,
            "provenance": self.provenance,
        }

    def _compared(self) -> dict[str, Any]:
        """The scores side by side, if the card asks for them."""
        if self.card.compare is None:
            return {}
        return {
            "compared": [row.to_json() for row in self.compared],
            "order": [order.to_json() for order in self.ordered],
        }

    def _row(self, analysis: str, names: Sequence[str]) -> dict[str, Any]:
        """The numbers of the table beside those that were published."""
        recipe = self.results.trainings[names[0]].planned.recipe
        published = recipe.model_dump(mode="json", include={"published"})
        return {**self._numbers(names), **published, "published_loss": self.card.published_loss.get(analysis)}

    def _numbers(self, names: Sequence[str]) -> dict[str, Any]:
        """Means and spreads over trainings."""
        results = self.results
        return {
            "trainings": list(names),
            "train_loss": results.loss(names).to_json(),
            "validation_loss": results.loss(names, validation=True).to_json(),
            "auc": {signal: results.auc(names, signal).to_json() for signal in results.signals},
            "rejection": {signal: results.rejection(names, signal).to_json() for signal in results.signals},
        }
