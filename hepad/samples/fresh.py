"""Scored events that no training has seen: what a model is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.systems import Training, trained_on
from hepad.errors import InputDataError
from hepad.samples.parting import SPLIT, unseen
from hepad.samples.scoring import ScoredSample
from hepad.samples.split import EventIds

__all__ = ["fresh_samples"]

Records = Sequence[Mapping[str, Any]]
Scored = dict[str, dict[str, ScoredSample]]


def fresh_samples(
    trainings: Sequence[Training], samples: Mapping[str, Mapping[str, ScoredSample]], records: Mapping[str, Records]
) -> tuple[Scored, list[str]]:
    """The samples, by training and name, without the events that one of the trainings has seen; and what to say of it.

    `records` are those of the files of each sample. All models are measured on the same events, so that an event is
    left out for all of them. What is left of a file stands for all of it: its sum of weights stays. A file of which
    nothing is left is told of, and so is a training whose bundle does not say which events it has seen (rule
    `rows/1`). `InputDataError` if nothing is left of a sample.
    """
    found: Scored = {training.name: dict(samples[training.name]) for training in trainings}
    said: list[str] = []
    for name, files in records.items():
        seers = [training for training in trainings if trained_on([training], files)]
        known = [training for training in seers if _by_event(training)]
        said += trained_on([training for training in seers if training not in known], files)
        if not known:
            continue
        for training in trainings:
            scored = samples[training.name][name]
            fresh = np.logical_and.reduce([_fresh(scored, files, seer) for seer in known])
            found[training.name][name] = _only(scored, fresh)
            if not fresh.any():
                said_by = " or ".join(seer.name for seer in known)
                raise InputDataError(f"{said_by} was trained on every event of {name}: give events of other files")
        said += _lost(name, files, [(samples[each.name][name], found[each.name][name]) for each in trainings])
        kept, of = (len(each[trainings[0].name][name].weights) for each in (found, samples))
        verb = "was" if len(known) == 1 else "were"
        said.append(
            f"{name}: measured on {kept} of {of} events, as {', '.join(seer.name for seer in known)} {verb} trained on "
            "these files and may have seen the others"
        )
    return found, said


def _lost(name: str, files: Records, pairs: Sequence[tuple[ScoredSample, ScoredSample]]) -> list[str]:
    """Of which files nothing is left for one of the trainings, each of which selects its own events."""
    gone = np.unique(np.concatenate([np.setdiff1d(scored.file, left.file) for scored, left in pairs]))
    names = ", ".join(files[place].get("name", f"file {place + 1}") for place in gone)
    return [f"{name}: no event of {names} is left, the sample lacks what they stand for"] if names else []


def _by_event(training: Training) -> bool:
    card = training.bundle.card.training
    return card is not None and card.split == SPLIT


def _fresh(scored: ScoredSample, files: Records, training: Training) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the events that a training has not seen."""
    card = training.bundle.card
    assert card.training is not None  # noqa: S101  it is one that says which events it has seen
    mine = np.array([bool(trained_on([training], [record])) for record in files])[scored.file]
    ids = EventIds([record.get("sha256", "") for record in files], scored.file, scored.entry)
    return ~mine | unseen(ids, card.training, card.name)


def _only(scored: ScoredSample, fresh: npt.NDArray[np.bool_]) -> ScoredSample:
    """The events of a mask (n,); the weights of each file are scaled so that their sum stays."""
    whole = np.bincount(scored.file, scored.weights)
    part = np.bincount(scored.file, scored.weights * fresh, minlength=len(whole))
    factor = np.divide(whole, part, out=np.ones(len(whole)), where=part != 0)
    factor[np.isclose(whole, part, rtol=1e-12, atol=0)] = 1.0
    keep = scored.keep.copy()
    keep[scored.keep] = fresh
    return ScoredSample(
        {name: values[fresh] for name, values in scored.scores.items()},
        (scored.weights * factor[scored.file])[fresh],
        scored.cutflow,
        keep,
        scored.file[fresh],
        scored.entry[fresh],
    )
