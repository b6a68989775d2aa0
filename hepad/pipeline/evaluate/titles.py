"""What figures and tables call signals that are known by published numbers."""

from __future__ import annotations

from collections.abc import Sequence

from hepad.bundles.systems import Training
from hepad.cards.resolver import bundled_names
from hepad.cards.sensitivity import load_any_study
from hepad.cards.study import StudyCard
from hepad.pipeline.evaluate.results import Row

__all__ = ["known_titles"]


def known_titles(rows: Sequence[Row], trainings: Sequence[Training]) -> dict[str, str]:
    """What the studies of these models call the signals that the models' cards have published numbers of."""
    published = {row.signal for row in rows if row.published}
    models = {training.bundle.card.name for training in trainings}
    titles: dict[str, str] = {}
    for name in bundled_names("analyses/studies") if published else ():
        study = load_any_study(name)
        if isinstance(study, StudyCard) and models & set(study.analyses):
            titles |= {key: study.label(key) for key in published & set(study.data.signals)}
    return titles
