"""Where files are cut into units of work."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from hepad.io.reader import open_events, unit_edges

FIELDS = {"jets": {"pt"}, "muons": {"pt"}, "met": {"pt"}}


def source(entries: int, cuts: list[int]) -> SimpleNamespace:
    return SimpleNamespace(entries=entries, cuts=lambda fields: cuts)


@given(
    st.integers(0, 10_000),
    st.sets(st.integers(1, 10_000)),
    st.integers(1, 3000),
    st.one_of(st.none(), st.integers(0, 12_000)),
)
def test_units_cover_every_entry_once(entries, cuts, step, limit) -> None:
    inside = [0, *sorted(cut for cut in cuts if cut < entries), entries]
    edges = unit_edges(source(entries, inside), {}, step, limit)
    stop = entries if limit is None else min(entries, limit)
    assert edges[0] == 0
    assert edges[-1] == stop
    assert all(0 < b - a <= step for a, b in pairwise(edges))
    for a, b in pairwise(edges):  # an edge beside the best places only where none of them was within reach
        assert b in inside or b == stop or not any(a < cut <= a + step for cut in inside)


def test_a_file_that_is_read_in_one_go_is_one_unit() -> None:
    assert unit_edges(source(5000, [5000]), {}, 100) == (0, 5000)
    assert unit_edges(source(5000, [5000]), {}, 100, 300) == (0, 300)


def test_an_empty_file_has_no_unit() -> None:
    assert unit_edges(source(0, [0]), {}, 100) == (0,)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """A tree whose branches have baskets of 100 events, and one branch also of 40."""
    path = tmp_path_factory.mktemp("clusters") / "clusters.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Delphes", dict.fromkeys(("MissingET.MET", "Weight.Weight"), np.dtype("f4")))
        for start in range(0, 1000, 100):
            values = np.arange(start, start + 100, dtype="f4")
            tree.extend({"MissingET.MET": values, "Weight.Weight": np.ones_like(values)})
    return path


def test_trees_are_cut_where_baskets_end(clusters) -> None:
    file = open_events(clusters)
    assert unit_edges(file, {"met": {"pt"}}, 250) == (0, 200, 400, 600, 800, 1000)
    assert unit_edges(file, {"met": {"pt"}}, 250, 450) == (0, 200, 450)
    assert unit_edges(file, {"met": {"pt"}}, 70)[:3] == (0, 70, 100)
    file.close()


def test_any_range_of_a_tree_is_what_the_whole_has_there(clusters) -> None:
    file = open_events(clusters)
    (whole,) = file.iterate({"met": {"pt"}}, step_size=1000, stop=1000)
    for start, stop in ((0, 1), (99, 101), (350, 999), (999, 1000)):
        (piece,) = file.iterate({"met": {"pt"}}, step_size=1000, start=start, stop=stop)
        assert piece.tolist() == whole[start:stop].tolist()
        assert piece.index.tolist() == list(range(start, stop))
    file.close()
