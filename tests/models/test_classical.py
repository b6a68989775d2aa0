"""Scores without weights, on three events of the authors of CoDAE, whose numbers numpy gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepad import registry
from hepad.cards.analysis import load_analysis
from hepad.errors import CardError
from hepad.inputs.base import make_input
from hepad.inputs.layout import IMAGE, Layout
from hepad.io.reader import read_events
from hepad.models.quantity import Quantity
from hepad.models.total_energy import TotalEnergy
from hepad.testing.examples import example_layout


def scores(card: str, path: Path) -> dict[str, np.ndarray]:
    recipe = load_analysis(card)
    kind = make_input(recipe.input)
    scorer = registry.load(registry.SCORERS[recipe.model.name])(recipe.model.config, kind.layout)
    (chunk,) = read_events([path], kind.fields())
    found: dict[str, np.ndarray] = scorer.scores(kind(chunk.events))
    return found


def test_the_cards_give_what_their_files_hold(data: Path) -> None:
    assert scores("ntracks", data / "codae_suep.npz")["value"].tolist() == [108, 112, 150]
    energy = scores("total_energy", data / "codae_suep.npz")
    assert list(energy) == ["track", "ecal", "hcal"]
    np.testing.assert_allclose(energy["track"], [498.730713, 663.381592, 518.633667], rtol=1e-6)
    np.testing.assert_allclose(energy["ecal"], [282.673828, 381.493408, 277.020264], rtol=1e-6)
    np.testing.assert_allclose(energy["hcal"], [475.643921, 688.244232, 620.227356], rtol=1e-6)


def test_they_refuse_what_they_cannot_take() -> None:
    with pytest.raises(CardError, match=r"no column 'jet9_pt'; name one with the key feature: jet1_pt, jet2_pt"):
        Quantity({"feature": "jet9_pt"}, example_layout())
    with pytest.raises(CardError, match="no column None; name one"):
        Quantity({}, example_layout())
    with pytest.raises(CardError, match="takes an image, not an input of axes slot"):
        TotalEnergy({}, example_layout())
    assert TotalEnergy({}, example_layout(IMAGE, ("a", "b"))).score_names == ("a", "b")
    assert Quantity({}, Layout.vector(["tracks_n"])).config == {"feature": None}
