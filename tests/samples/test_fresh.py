"""What a model is measured on: not on the events of background or signal that it, or another model, was trained on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from hepad.bundles.systems import Training
from hepad.cards.analysis import TrainCard
from hepad.errors import InputDataError
from hepad.samples.fresh import fresh_samples
from hepad.samples.parting import split_events
from hepad.samples.scoring import ScoredSample
from hepad.samples.split import EventIds

N = 400
RECORDS = [{"name": "seen.root", "sha256": "ab"}, {"name": "new.root", "sha256": "cd"}]


def training(name: str, seed: int, *, split: str = "entries/1", files: tuple[str, ...] = ("ab",)) -> Training:
    own = SimpleNamespace(split=split, options=TrainCard(holdout_fraction=0.3), seed=seed, set_aside=None)
    inputs = [{"name": "x", "sha256": sha} for sha in files]
    card = SimpleNamespace(name=name, training=own, provenance={"inputs": inputs})
    return Training(name, name, SimpleNamespace(card=card))


def sample() -> ScoredSample:
    """Every other entry of two files is selected; scores are entries, weights 2 in one file and 1 in the other."""
    keep = np.arange(2 * N) % 2 == 1
    file, entry = np.repeat([0, 1], N)[keep], np.tile(np.arange(N), 2)[keep]
    weights = np.where(file == 0, 2.0, 1.0)
    return ScoredSample({"mse": entry.astype(np.float32)}, weights, None, keep, file, entry)


def held_out(seed: int) -> set[int]:
    """The entries of the first file that a training holds out, by the rule that parts the events of a training."""
    ids = EventIds(["ab"], np.zeros(N, dtype=np.int64), np.arange(N))
    return set(split_events(ids, TrainCard(holdout_fraction=0.3), seed).holdout.tolist())


def test_events_that_any_of_the_models_has_seen_are_left_out_for_all() -> None:
    trainings = [training("one", 1), training("two", 2), training("stranger", 3, files=("ef",))]
    samples = {each.name: {"background": sample(), "new": sample()} for each in trainings}
    found, said = fresh_samples(trainings, samples, {"background": RECORDS, "new": RECORDS[1:] * 2})
    whole, left = sample(), found["one"]["background"]
    odd = {entry for entry in held_out(1) & held_out(2) if entry % 2}
    assert 0 < len(odd) < N // 8
    assert set(left.entry[left.file == 0].tolist()) == odd
    assert np.array_equal(left.scores["mse"], left.entry)
    assert left.entry[left.file == 1].tolist() == list(range(1, N, 2)), "no model was trained on the second file"
    # What is left of a file stands for all of it.
    assert left.weights[left.file == 0].sum() == pytest.approx(whole.weights[whole.file == 0].sum(), rel=1e-12)
    assert set(left.weights[left.file == 1].tolist()) == {1.0}
    assert left.keep.sum() == len(left.weights)
    assert not (left.keep & ~whole.keep).any()
    assert np.array_equal(found["stranger"]["background"].keep, left.keep), "models are measured on the same events"
    assert len(found["two"]["new"].weights) == len(whole.weights)
    (line,) = said
    assert line.startswith(f"background: measured on {len(odd) + N // 2} of {N} events, as one, two were trained on")


def test_a_bundle_that_does_not_say_what_it_has_seen_is_told_of() -> None:
    (old,) = trainings = [training("old", 1, split="rows/1")]
    samples = {"old": {"signal": sample()}}
    found, said = fresh_samples(trainings, samples, {"signal": RECORDS})
    assert found["old"]["signal"] is samples["old"]["signal"]
    assert said == ["seen.root was used to train old: its numbers are too good"]
    assert fresh_samples([old], samples, {"signal": RECORDS[1:] * 2})[1] == []


def test_a_file_of_which_nothing_is_left_is_told_of() -> None:
    (trained,) = trainings = [training("one", 1)]
    whole, inside = sample(), held_out(1)
    rows = np.flatnonzero(
        [file == 1 or entry not in inside for file, entry in zip(whole.file, whole.entry, strict=True)]
    )
    some = ScoredSample(
        {"mse": whole.scores["mse"][rows]},
        whole.weights[rows],
        None,
        np.ones(len(rows), dtype=bool),
        whole.file[rows],
        whole.entry[rows],
    )
    found, said = fresh_samples(trainings, {trained.name: {"background": some}}, {"background": RECORDS})
    assert set(found["one"]["background"].file.tolist()) == {1}
    assert said[0] == "background: no event of seen.root is left, the sample lacks what they stand for"
    assert len(said) == 2


def test_nothing_left_is_no_result() -> None:
    (trained,) = trainings = [training("one", 1)]
    whole, inside = sample(), held_out(1)
    seen = np.array([entry not in inside for entry in whole.entry]) & (whole.file == 0)
    rows = np.flatnonzero(seen)
    only = ScoredSample(
        {"mse": whole.scores["mse"][rows]}, whole.weights[rows], None, seen[seen], whole.file[rows], whole.entry[rows]
    )
    with pytest.raises(InputDataError, match="one was trained on every event of signal: give events of other files"):
        fresh_samples(trainings, {trained.name: {"signal": only}}, {"signal": RECORDS})
