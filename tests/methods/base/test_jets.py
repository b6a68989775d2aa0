"""Which number belongs to which jet."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import Sample
from hepad.methods.base.jets import Jets

COLUMNS = ("met_pt", "fatjet2_tau21", "fatjet1_sdmass", "fatjet1_tau21", "fatjet1+fatjet2_deta", "fatjet2_sdmass")


def batch_of(layout: Layout, mask: np.ndarray | None = None) -> Batch:
    x = np.arange(2 * layout.size, dtype=np.float32).reshape(2, -1)
    return Batch("event_features", layout, x, mask, np.array([1.0, 3.0]), {"mass": np.array([5.0, 7.0])})


def test_names_part_the_numbers_of_two_jets_and_leave_those_of_the_event() -> None:
    jets = Jets.of(Layout.vector(COLUMNS))
    assert jets.names == ("fatjet1", "fatjet2")
    assert jets.layout.columns == ("sdmass", "tau21")
    assert jets.places == ((2, 3), (5, 1))


@pytest.mark.parametrize("names", [("j1", "j2"), ()])
def test_columns_of_tables_and_expressions_of_them_are_a_jet_s(names: tuple[str, ...]) -> None:
    columns = ("j1_msd", "j1_tau2/j1_tau1", "j2_msd", "j2_tau2/j2_tau1", "j1_pt-j2_pt", "x_j1_pt", "adj1", "j11+j1")
    jets = Jets.of(Layout.vector(columns), names)
    assert jets.layout.columns == ("msd", "tau2/tau1")
    assert jets.places == ((0, 1), (2, 3))


def test_batches_have_one_jet_with_its_mask_and_samples_all_apart() -> None:
    layout = Layout.vector(COLUMNS)
    mask = np.arange(12).reshape(2, 6) % 5 != 0
    jets, batch = Jets.of(layout), batch_of(layout, mask)
    second = jets.batch(batch, 1)
    np.testing.assert_array_equal(second.x, [[5, 1], [11, 7]])
    np.testing.assert_array_equal(second.mask, [[False, True], [True, True]])
    np.testing.assert_array_equal(second.beside["mass"], [5, 7])
    both = jets.apart(Sample(batch, np.array([4, 2])))
    np.testing.assert_array_equal(both.events.x, [[2, 3], [8, 9], [5, 1], [11, 7]])
    np.testing.assert_array_equal(both.events.weight, [1, 3, 1, 3])
    np.testing.assert_array_equal(both.folds, [4, 2, 4, 2])
    assert jets.batch(batch_of(layout), 0).mask is None


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        (("jet1_pt", "met_pt"), (), "but are of jet1"),
        (("a", "b"), (), "but are of none"),
        (("jet1_pt", "jet2_pt", "jet3_pt"), (), "jet1 and jet2 and jet3"),
        (("jet1_pt", "jet2_pt", "jet2_eta"), (), "jet1 has no feature eta"),
        (("jet1_pt", "jet2_pt", "jet1_eta"), (), "jet2 has no feature eta"),
        (("jet1_pt", "jet2_pt"), ("x1", "x2"), "x1 or x2 alone"),
    ],
)
def test_what_are_not_two_alike_jets_is_refused(columns: tuple[str, ...], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(CardError, match=message) as found:
        Jets.of(Layout.vector(columns), names)
    assert "key 'jets'" in str(found.value)
