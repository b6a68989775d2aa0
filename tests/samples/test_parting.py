"""An event knows whether it trains, validates or is held out: whatever is read with it, in whatever order."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.bundles.files import write_bundle_files
from hepad.cards.bundle import SetAside, Training
from hepad.cards.selection import load_selection
from hepad.cards.train import TrainCard
from hepad.errors import InputDataError
from hepad.inputs.base import make_input
from hepad.pipeline.train.run import TrainOptions, train_in_memory
from hepad.provenance import sha256_file
from hepad.samples.background import read_background
from hepad.samples.heldout import held_out
from hepad.samples.parting import Split, split_events, split_rows, unseen
from hepad.samples.split import EventIds

HASHES = tuple(hashlib.sha256(name).hexdigest() for name in (b"one", b"two", b"three"))
PARTS = ("train", "validation", "holdout", "aside")
seeds = st.integers(min_value=0, max_value=2**32)
asides = st.none() | st.builds(SetAside, fraction=st.sampled_from([0.1, 0.25, 0.6]), seed=st.integers(0, 9))
cards = st.builds(
    TrainCard,
    holdout_fraction=st.sampled_from([0.05, 0.2, 0.5]),
    validation_fraction=st.sampled_from([0.1, 0.3]),
)


def events(n: int, files: int = 1) -> EventIds:
    """So many events of each file."""
    return EventIds(HASHES[:files], np.repeat(np.arange(files), n), np.tile(np.arange(n), files))


def chosen(ids: EventIds, rows: np.ndarray) -> list[tuple[str, int]]:
    """Who the events of these rows are, in their order."""
    return [(ids.sha256[file], int(entry)) for file, entry in zip(ids.file[rows], ids.entry[rows], strict=True)]


@settings(max_examples=40, deadline=None)
@given(seed=seeds, card=cards, aside=asides, shuffle=seeds, kept=st.integers(0, 300))
def test_neither_order_nor_what_else_is_read_moves_an_event(seed, card, aside, shuffle, kept) -> None:
    """All events of three files, against some of them in another order of files and rows."""
    whole = events(100, 3)
    rows = np.random.default_rng(shuffle).permutation(300)[:kept]
    other = EventIds(HASHES[::-1], 2 - whole.file[rows], whole.entry[rows])
    all_of, some_of = split_events(whole, card, seed, aside), split_events(other, card, seed, aside)
    there = set(chosen(whole, rows))
    for part in PARTS:
        expected = [event for event in chosen(whole, getattr(all_of, part)) if event in there]
        assert chosen(other, getattr(some_of, part)) == expected


@settings(max_examples=25, deadline=None)
@given(seed=seeds, card=cards, aside=asides)
def test_parts_are_disjoint_complete_and_as_large_as_asked(seed, card, aside) -> None:
    """The fractions within five binomial standard deviations; those set aside are drawn independently of the rest."""
    n = 20_000
    found = split_events(events(n), card, seed, aside)
    assert np.array_equal(np.sort(np.concatenate([getattr(found, part) for part in PARTS])), np.arange(n))
    away = aside.fraction if aside else 0.0
    shares = {"holdout": card.holdout_fraction, "validation": card.validation_fraction}
    shares["train"] = 1 - sum(shares.values())
    for part, p in {"aside": away, **{name: share * (1 - away) for name, share in shares.items()}}.items():
        assert abs(len(getattr(found, part)) - n * p) <= 5 * np.sqrt(n * p * (1 - p)), part


def test_training_events_are_the_first_of_an_order_that_files_do_not_change() -> None:
    whole, few = (split_events(events(500, 2), TrainCard(train_events=n), 7) for n in (None, 100))
    assert np.array_equal(few.train, whole.train[:100])
    assert np.array_equal(few.validation, whole.validation)
    assert np.array_equal(few.holdout, whole.holdout)
    assert abs(int((few.train < 500).sum()) - 50) < 25  # of both files alike
    with pytest.raises(InputDataError, match=r"3 background events are too few to part .* gives 3, 0, 0"):
        split_events(events(3), TrainCard(holdout_fraction=0.01, validation_fraction=0.01), 1).checked()


def test_copies_of_an_event_are_on_one_side() -> None:
    """A file given twice: no event is trained on that is held out as well."""
    twice = EventIds((HASHES[0], HASHES[0]), np.repeat([0, 1], 400), np.tile(np.arange(400), 2))
    found = split_events(twice, TrainCard(), 3)
    assert len(found.holdout) == 2 * len(set(twice.entry[found.holdout]))


# Numbers of hepad 1's `split_events` and `set_aside` before the rule entries/1: bundles without `split` rest on them.
ROWS = {
    (1, None, None): (
        [12, 17, 15, 2, 3, 4, 5, 8, 0, 9, 14, 13, 6, 19], [7, 11], [1, 10, 18, 16], [],
    ),
    (7, 4, SetAside(fraction=0.25, seed=3)): ([17, 0, 9, 5], [10, 1], [4, 13, 7], [3, 8, 12, 16, 18]),
}  # fmt: skip


@pytest.mark.parametrize("case", list(ROWS), ids=str)
def test_the_rule_of_older_bundles_still_gives_their_parts(case) -> None:
    seed, most, aside = case
    card = TrainCard(train_events=most)
    found = split_rows(20, card, seed, aside)
    assert [getattr(found, part).tolist() for part in PARTS] == list(ROWS[case])
    training = training_of(card, seed, found, aside)
    assert training.split == "rows/1"
    assert sorted(np.flatnonzero(unseen(events(20), training, "old"))) == sorted([*ROWS[case][2], *ROWS[case][3]])
    with pytest.raises(InputDataError, match=r"bundle old held out . of its events, these files give 6"):
        unseen(events(31), training_of(card, seed, found, None), "old")


def training_of(card: TrainCard, seed: int, found: Split, aside: SetAside | None = None) -> Training:
    """What a bundle of before says of its training."""
    content = {
        "options": card,
        "seed": seed,
        "set_aside": aside,
        "events": len(found.train),
        "validation_events": len(found.validation),
        "holdout_events": len(found.holdout),
        "epochs": 1,
        "best_epoch": 1,
        "stopped_early": False,
        "train_loss": (1.0,),
        "validation_loss": (1.0,),
    }
    return Training.model_validate(content)


def test_reading_in_other_pieces_gives_the_same_events(examples: Path) -> None:
    file = examples / "background.h5"
    selection, vector = load_selection("adc2021"), make_input(load_bundle("dnn_ae").card.input)
    records = [{"sha256": HASHES[0]}]
    whole = read_background([file], selection, vector).ids(records)
    for step, most in ((999, None), (100_000, 1500)):
        some = read_background([file], selection, vector, step_size=step, max_events=most).ids(records)
        expected = whole.entry if most is None else whole.entry[whole.entry < most]
        assert np.array_equal(some.entry, expected)


def test_the_order_of_files_changes_nothing_that_is_learned(examples: Path, tmp_path: Path) -> None:
    """And afterwards any of the files alone tells what of it was held out."""
    files = [examples / "background.h5", examples / "lq.h5"]
    options = TrainOptions(train=TrainCard(epochs=1, holdout_fraction=0.25), regions={}, seed=3)
    one, other = (train_in_memory(paths, "dnn_ae", options=options) for paths in (files, files[::-1]))
    assert one.content["training"] == other.content["training"]
    assert one.content["training"]["split"] == "entries/1"
    assert one.tensors.keys() == other.tensors.keys()
    assert all(np.array_equal(values, other.tensors[name]) for name, values in one.tensors.items())

    bundle = written(one.content, one.tensors, tmp_path / "bundle")
    both = held_out(files, bundle)
    for file, of_both in zip(files, both.factors, strict=True):
        (alone,) = held_out([file], bundle).factors
        assert np.array_equal(alone, of_both)
        background = read_background([file], bundle.card.selection, bundle.input)
        ids = background.ids([{"sha256": sha256_file(file)}])
        expected = split_events(ids, options.train, 3).holdout
        usable = np.flatnonzero(alone)
        assert np.array_equal(np.sort(ids.entry[expected]), usable[np.isin(usable, ids.entry)])
        assert alone[ids.entry] @ background.batch.weight == pytest.approx(background.batch.weight.sum())
    assert sum(int((f > 1).sum()) for f in both.factors) == bundle.card.training.holdout_events

    # As if it were of before: the rows of both files, in the order of the training, were shuffled.
    background = read_background(files, bundle.card.selection, bundle.input)
    rows = split_rows(len(background.batch), options.train, 3)
    older = training_of(options.train, 3, rows).model_dump(mode="json", exclude={"split"}, exclude_none=True)
    before = written({**one.content, "training": older}, one.tensors, tmp_path / "before")
    for file, factor in zip(files[::-1], held_out(files[::-1], before).factors, strict=True):
        mine = rows.holdout[background.file[rows.holdout] == files.index(file)]
        assert np.array_equal(np.flatnonzero(factor > 1), np.sort(background.entry[mine]))
    with pytest.raises(InputDataError, match=r"trained on some of these files, and on lq\.h5 too: give all"):
        held_out(files[:1], before)


def written(content: dict[str, Any], tensors: dict[str, Any], folder: Path) -> Bundle:
    """The bundle of this content, written and read again."""
    folder.mkdir()
    write_bundle_files(folder, content, tensors)
    return load_bundle(str(folder))
