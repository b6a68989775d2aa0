"""A trigger's network that was imported from its library, beside what the collaboration's own program gives."""

from __future__ import annotations

import numpy as np

from hepad.bundles.bundle import Bundle
from hepad.models.fixed.network import FixedNetwork
from hepad.pipeline.import_model.deployed import known_scores
from hepad.pipeline.verify.report import Check, Found

__all__ = ["library_checks"]

_SCORE = "score of "


def library_checks(bundle: Bundle) -> list[Check]:
    """How many known inputs have the score that they should, for each released version that the bundle says it is."""
    card, scorer = bundle.card, bundle.scorer
    if card.imported is None or not isinstance(scorer, FixedNetwork):
        return []
    found = []
    for compared in card.imported.parity:
        known = known_scores(compared.quantity.removeprefix(_SCORE))
        if known is None or known[0].shape[1] != scorer.layout.size:
            continue
        inputs, theirs = known
        ours = scorer.exact(inputs)
        wrong = np.flatnonzero(ours != theirs)
        how = "the bundle, in the trigger's arithmetic"
        if len(wrong):
            how += f"; input {wrong[0]} has {ours[wrong[0]]:g}, not {theirs[wrong[0]]:g}"
        quantity = f"{compared.quantity}: known inputs that have it"
        check = Check.of(card, quantity, len(theirs), 0.0)  # all of them, or it is off
        found.append(check.measured(Found(len(theirs) - len(wrong), None, how)))
    return found
