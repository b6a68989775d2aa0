"""Calorimeter images, against plain uproot and numpy's histograms on the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from hepad.errors import CardError, InputDataError
from hepad.inputs.base import make_input
from hepad.inputs.calo_image import CaloImageCard
from hepad.io.reader import read_events


def card(**changes: object) -> CaloImageCard:
    return CaloImageCard(**{"kind": "calo_image", "eta_bins": 12, "phi_bins": 18, "eta_max": 3.0, **changes})


def image(path: Path, **changes: object) -> np.ndarray:
    kind = make_input(card(**changes))
    (chunk,) = read_events([path], kind.fields())
    return kind.raw(chunk.events).x


def test_an_image_is_the_sum_of_towers_in_bins(data: Path) -> None:
    tree = uproot.open(data / "towers.root")["Delphes"]
    et, eta, phi, em, had = (tree[f"Tower.{leaf}"].array() for leaf in ("ET", "Eta", "Phi", "Eem", "Ehad"))
    found = image(data / "towers.root", channels=("had", "et", "em"))
    assert found.shape == (24, 3, 12, 18)
    edges = (np.linspace(-3, 3, 13), np.linspace(0, 2 * np.pi, 19))
    for event in range(24):
        places = (np.asarray(eta[event], dtype=float), np.mod(np.asarray(phi[event], dtype=float), 2 * np.pi))
        parts = (had[event] / np.cosh(places[0]), et[event], em[event] / np.cosh(places[0]))
        for channel, energy in enumerate(parts):
            expected = np.histogram2d(*places, bins=edges, weights=np.asarray(energy, dtype=float))[0]
            np.testing.assert_allclose(found[event, channel], expected, rtol=1e-5, atol=1e-5)


def test_towers_below_the_threshold_and_beyond_the_edge_are_left_out(data: Path) -> None:
    tree = uproot.open(data / "towers.root")["Delphes"]
    et, eta = (tree[f"Tower.{leaf}"].array() for leaf in ("ET", "Eta"))
    found = image(data / "towers.root", eta_max=1.0, threshold=2.0)
    expected = [
        sum(t for t, e in zip(*event, strict=True) if t > 2 and abs(e) < 1) for event in zip(et, eta, strict=True)
    ]
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), expected, rtol=1e-5)
    assert (found.sum(axis=(1, 2, 3)) < image(data / "towers.root").sum(axis=(1, 2, 3))).all()


def test_the_scale_is_a_logarithm_and_nothing_is_learned(data: Path) -> None:
    kind = make_input(card())
    (chunk,) = read_events([data / "towers.root"], kind.fields())
    raw = kind.raw(chunk.events)
    np.testing.assert_allclose(kind.scaled(raw).x, np.log(1 + raw.x), rtol=1e-6)
    assert make_input(card(scale="none")).scaled(raw) is raw
    assert kind.fitted(raw).state() == {}
    assert kind.table_names.shape == (1, 12, 18)
    assert kind.table_names[0, 3, 5] == "et[3,5]"
    with pytest.raises(InputDataError, match="no background"):
        kind.fitted(raw.take(slice(0, 0)))
    with pytest.raises(CardError, match="has no columns"):
        _ = raw.columns


def test_channels_are_named_once() -> None:
    with pytest.raises(ValueError, match="each once"):
        card(channels=("et", "et"))
