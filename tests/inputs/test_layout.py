"""Layouts and batches: names, shapes, and what does not fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from hepad.cards.input import InputCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.calo_image import CaloImageCard
from hepad.inputs.layout import IMAGE, SET, VECTOR, Layout, Slot


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("jet12_pt", Slot("jet", 12, "pt")),
        ("met_phi", Slot("met", 0, "phi")),
        ("jet0_pt", Slot("jet0_pt", 0, "")),
        ("ht", Slot("ht", 0, "")),
        ("jet1_b2", Slot("jet", 1, "b2")),
    ],
)
def test_a_slot_has_the_name_it_was_made_of(name: str, slot: Slot) -> None:
    assert Slot.of(name) == slot
    assert slot.name == name


def test_shapes_of_the_three_kinds() -> None:
    vector, cloud, image = Layout.vector(["ht", "jet1_pt"]), Layout.set(5, ["pt"]), Layout.image(["et", "em"], 3, 4)
    assert [layout.shape for layout in (vector, cloud, image)] == [(2,), (5, 1), (2, 3, 4)]
    assert [layout.size for layout in (vector, cloud, image)] == [2, 5, 24]
    assert image.summary == "2 x 3 x 4"
    assert vector.columns == ("ht", "jet1_pt")
    for other in (cloud, image):
        with pytest.raises(CardError, match="has no columns"):
            _ = other.columns


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((VECTOR, (2, 3), ("a", "b")), "cannot have the shape"),
        ((SET, (0, 1), ("pt",)), "cannot have the shape"),
        (((), (), ()), "cannot have the shape"),
        ((("eta", "phi"), (2, 3), ("a", "b")), "no input has the axes eta, phi"),
        ((VECTOR, (2,), ("a", "b", "c")), "cannot have 3 names"),
        ((SET, (1, 2), ("pt",)), "cannot have 1 names"),
        ((IMAGE, (2, 3, 4), ("et",)), "cannot have 1 names"),
        ((VECTOR, (2,), ("ht", "st"), (Slot("ht", 0, ""),)), "cannot have 2 names"),
    ],
)
def test_shapes_and_names_that_do_not_fit(parts: tuple[Any, ...], said: str) -> None:
    with pytest.raises(CardError, match=said):
        Layout(*parts)


CLOUD = Layout.set(2, ["pt", "eta"])


def batch(rows: int = 3, *, beside: Mapping[str, Any] | None = None, **parts: Any) -> Batch:
    x = np.arange(4.0 * rows, dtype=np.float32).reshape(rows, 2, 2)
    made = {"x": x, "mask": None, "weight": np.arange(rows, dtype=float), **parts}
    return Batch("set", CLOUD, **made, beside=beside or {})


def test_the_objects_of_a_vector_and_their_places() -> None:
    layout = Layout.vector(["met_pt", "jet1_pt", "met_phi", "jet2_pt", "jet1_eta"])
    assert layout.objects == {"met": {"pt": 0, "phi": 2}, "jet1": {"pt": 1, "eta": 4}, "jet2": {"pt": 3}}
    assert list(layout.objects) == ["met", "jet1", "jet2"]
    assert Layout.set(2, ["pt"]).objects == {}
    assert Layout.latent(3).columns == ("z1", "z2", "z3")


def test_a_mask_of_objects_is_one_of_their_features() -> None:
    mask = np.array([[True, False], [False, False], [True, True]])
    expected = np.repeat(mask[:, :, None], 2, axis=2)
    np.testing.assert_array_equal(batch(mask=mask).there, expected)
    np.testing.assert_array_equal(batch(mask=expected).there, expected)
    assert batch().there.all()
    assert batch().there.shape == (3, 2, 2)


def test_batches_are_cut_and_joined_with_all_that_is_beside() -> None:
    mask = np.array([[True, False], [False, False], [True, True]])
    whole = batch(mask=mask, beside={"mass": np.array([1.0, 2.0, 3.0])})
    again = Batch.concatenate([whole.take(np.array([2])), whole.take(slice(0, 2))])
    order = [2, 0, 1]
    assert len(again) == 3
    for name in ("x", "mask", "weight"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name)[order])
    assert again.beside["mass"].tolist() == [3.0, 1.0, 2.0]
    assert Batch.concatenate([batch(1), batch(2)]).mask is None
    with pytest.raises(ValueError, match="different masks"):
        Batch.concatenate([batch(), batch(mask=mask)])
    with pytest.raises(ValueError, match="different kind"):
        Batch.concatenate([whole, batch(mask=mask)])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"x": np.zeros((2, 2, 2), dtype=np.float32)}, r"x has shape \(2, 2, 2\), its layout needs \(3, 2, 2\)"),
        ({"mask": np.ones(3, dtype=bool)}, r"mask has shape \(3,\)"),
        ({"mask": np.ones((3, 1), dtype=bool)}, r"mask has shape \(3, 1\)"),
        ({"beside": {"mass": np.zeros(2)}}, "mass beside the batch has 2 rows for 3 events"),
    ],
)
def test_parts_of_a_batch_that_do_not_fit(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        batch(**parts)


def test_the_defaults_and_bounds_of_an_image() -> None:
    card = CaloImageCard(kind="calo_image")
    assert isinstance(card, InputCard)
    assert (card.eta_bins, card.phi_bins, card.eta_max, card.threshold) == (16, 16, 4.0, 0.0)
    for key in ("eta_bins", "phi_bins"):
        for wrong in (1, 513):
            with pytest.raises(ValueError, match=key):
                CaloImageCard(**{"kind": "calo_image", key: wrong})
