"""Collections as flat columns: sums, counts, orders and pairs of four events by hand, one of them empty."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError
from hepad.io.detector.columns import MASSES, Columns, Objects, _blocks, _is_whole, jagged

OFFSETS = np.array([0, 2, 2, 5, 5])
JETS = Objects(
    OFFSETS,
    {
        "pt": np.array([30.0, 50.0, 20.0, 40.0, 40.0]),
        "eta": np.array([0.0, 1.0, 0.0, -1.0, 2.0]),
        "phi": np.array([3.1, 0.0, 0.0, 1.0, 2.0]),
    },
)


def test_numbers_and_sums_of_each_event() -> None:
    assert JETS.counts.tolist() == [2, 0, 3, 0]
    assert JETS.event.tolist() == [0, 0, 2, 2, 2]
    assert JETS.sum_by_event(JETS["pt"]).tolist() == [80.0, 0.0, 100.0, 0.0]
    assert JETS.number(JETS["pt"] >= 40).tolist() == [1, 0, 2, 0]


def test_cuts_and_orders() -> None:
    assert JETS.sorted()["eta"].tolist() == [1.0, 0.0, -1.0, 2.0, 0.0]  # of equal pT the first stays the first
    ordered = JETS.sorted()
    assert ordered.sorted() is ordered
    leading = ordered.first(1)
    assert leading.offsets.tolist() == [0, 1, 1, 2, 2]
    assert leading["pt"].tolist() == [50.0, 40.0]
    assert JETS.first(3) is JETS
    kept = JETS.take(JETS["pt"] > 25)
    assert kept.offsets.tolist() == [0, 2, 2, 4, 4]
    assert kept["pt"].tolist() == [30.0, 50.0, 40.0, 40.0]


def test_events_among_sorted_ones_are_sorted_as_all_at_once_would_be() -> None:
    random = np.random.default_rng(3)
    offsets = np.concatenate([[0], np.cumsum(random.integers(0, 6, 300))])
    pt = random.integers(0, 9, offsets[-1]).astype(np.float32)
    for start, stop in pairwise(offsets[:250]):
        pt[start:stop] = -np.sort(-pt[start:stop])
    objects = Objects(offsets, {"pt": pt, "place": np.arange(len(pt))})
    before = pt.copy()
    assert np.array_equal(objects.sorted()["place"], np.lexsort((-pt, objects.event)))
    assert np.array_equal(pt, before)


def test_pairs_are_near_around_the_seam_and_in_one_event_only() -> None:
    columns = {"pt": np.ones(2), "eta": np.array([0.0, 0.0]), "phi": np.array([-3.1, 0.0])}
    first, second = (Objects(np.array(o), columns) for o in ([0, 2, 2, 2, 2], [0, 0, 1, 2, 2]))
    distance = 2 * math.pi - 6.2
    assert JETS.near(first, 1.01 * distance).tolist() == [True, False, False, False, False]
    assert not JETS.near(first, 0.99 * distance).any()
    assert JETS.near(second, 0.1).tolist() == [False, False, True, False, False]


def test_collections_are_merged_by_falling_momentum() -> None:
    others = Objects(np.array([0, 1, 2, 2, 2]), {name: np.array([45.0, 7.0]) for name in ("pt", "eta", "phi")})
    merged = Objects.merged(JETS, others)
    assert merged.offsets.tolist() == [0, 3, 4, 7, 7]
    assert merged["pt"].tolist() == [50.0, 45.0, 30.0, 7.0, 40.0, 40.0, 20.0]


def test_lists_of_one_length_or_cut_out_have_offsets_from_zero() -> None:
    whole = ak.Array([[1.0, 2.0], [], [3.0]])
    for array, offsets, values in (
        (whole, [0, 2, 2, 3], [1, 2, 3]),
        (whole[1:], [0, 0, 1], [3]),
        (whole[[2, 0]], [0, 1, 3], [3, 1, 2]),
        (ak.from_numpy(np.arange(6).reshape(3, 2), regulararray=True), [0, 2, 4, 6], [0, 1, 2, 3, 4, 5]),
    ):
        found = jagged(array)
        assert (found[0].tolist(), found[1].tolist()) == (offsets, values)


def test_codes_are_whole_numbers_and_the_first_that_is_none_is_named() -> None:
    columns = Columns(Path("a.root"), 0, {})
    assert columns._whole("flag", np.array([1.0, -2.0])).tolist() == [1, -2]
    assert columns._whole("flag", np.array([True, False])).dtype == bool
    with pytest.raises(InputDataError, match=r"a\.root: branch 'flag' holds 2\.5; it must"):
        columns._whole("flag", np.array([1.0, 2.5, 3.25]))


@pytest.mark.parametrize(
    ("offsets", "whole"),
    [([0, 2, 2, 3], True), ([1, 2, 3], True), ([-1, 2, 3], False), ([0, 2, 1], False), ([0, 4], False)],
)
def test_counts_that_do_not_fit_their_numbers(offsets: list[int], whole: bool) -> None:
    numbers = ak.contents.NumpyArray(np.arange(3.0))
    lists = ak.contents.ListOffsetArray(ak.index.Index64(np.array(offsets)), numbers)
    assert _is_whole(ak.Array(lists)) is whole


def test_blocks_hold_no_more_than_they_should_but_one_alone() -> None:
    assert list(_blocks(np.array([2, 3, 1, 9, 0, 4]), 5)) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6)]
    assert list(_blocks(np.array([], dtype=int), 5)) == []


def test_masses_are_those_of_the_particle_data_group() -> None:
    """In GeV; S. Navas et al. (Particle Data Group), Phys. Rev. D 110 (2024) 030001."""
    expected = {"electrons": 0.51099895e-3, "muons": 0.1056583755, "photons": 0.0}
    assert pytest.approx(expected, rel=1e-9) == MASSES
