"""The L1 vector: golden chain from Delphes to the ADC2021 stand-in, padding, scaling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepad.cards.analysis import load_analysis
from hepad.cards.selection import load_selection
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.l1_vector import L1Vector, L1VectorCard
from hepad.inputs.layout import Layout
from hepad.io.events import merge_fields
from hepad.io.reader import read_events
from hepad.objects.selection import apply_selection

SELECTION = load_selection("adc2021")


def raw(path: Path, card: L1VectorCard, **options) -> Batch:
    vector = L1Vector(card)
    fields = merge_fields(SELECTION.fields(), vector.fields())
    chunks = read_events([path], fields, **options)
    return Batch.concatenate([vector.raw(apply_selection(c.events, SELECTION)[0]) for c in chunks])


@pytest.mark.parametrize("name", ["snn_ae", "vae"])
def test_delphes_gives_what_the_adc2021_file_holds(name: str, data: Path, examples: Path) -> None:
    """hplus.h5 was made from hpm_taunu_0.root and a second file by another program: its first 268 events."""
    card = load_analysis(name).input
    ours = raw(data / "hpm_taunu_0.root", card, step_size=100)
    theirs = raw(examples / "hplus.h5", card)
    assert ours.columns == theirs.columns
    assert len(ours) == 268
    np.testing.assert_array_equal(ours.x, theirs.x[:268])
    np.testing.assert_array_equal(ours.mask, theirs.mask[:268])


def test_columns_of_the_paper() -> None:
    columns = L1Vector(load_analysis("snn_ae").input).columns
    assert len(columns) == 19
    assert columns[:2] == ("jet1_pt", "jet2_pt")
    assert columns[10] == "muon1_pt"
    assert columns[14] == "electron1_pt"
    assert columns[18] == "met_pt"
    assert len(L1Vector(load_analysis("vae").input).columns) == 57


def test_what_a_selection_builds_is_taken_and_missed_if_it_does_not(data: Path) -> None:
    selection = load_selection("l1_egamma_muon_jet")
    vector = L1Vector(L1VectorCard(kind="l1_vector", order=("egammas",), counts={"egammas": 3}))
    assert vector.fields() == {}
    events = next(iter(read_events([data / "hpm_taunu_0.root"], selection.fields()))).events
    batch = vector.raw(apply_selection(events, selection)[0])
    assert batch.columns == ("egamma1_pt", "egamma2_pt", "egamma3_pt")
    leading = [
        max((p for p in [*e, *g] if p > 3), default=0)
        for e, g in zip(*(events[n][abs(events[n].eta) < 3].pt.tolist() for n in ("electrons", "photons")), strict=True)
    ]
    np.testing.assert_array_equal(batch.x[:, 0], np.float32(leading))
    with pytest.raises(CardError, match="egammas, which the selection must build"):
        vector.raw(events)


def test_any_order_and_multiplicity(examples: Path) -> None:
    card = L1VectorCard(kind="l1_vector", features=("phi", "pt"), order=("met", "electrons"), counts={"electrons": 2})
    batch = raw(examples / "w_lnu.root", card)
    assert batch.columns == ("met_phi", "met_pt", "electron1_phi", "electron1_pt", "electron2_phi", "electron2_pt")
    assert (batch.x[~batch.mask] == 0).all()
    assert (batch.x[:, 3] >= batch.x[:, 5]).all()  # pT falls
    assert np.abs(batch.x[:, 0]).max() <= np.float32(np.pi)


def batch_of(x: np.ndarray, columns: tuple[str, ...]) -> Batch:
    return Batch("l1_vector", Layout.vector(columns), x, x != 0, np.ones(len(x)))


card = L1VectorCard(kind="l1_vector", order=("jets", "met"), counts={"jets": 2}, scale="max_with_floor")
tables = hnp.arrays(
    np.float32, st.tuples(st.integers(2, 20), st.just(3)), elements=st.just(0.0) | st.floats(3, 500, width=32)
)


@settings(max_examples=80, deadline=None)
@given(tables)
def test_max_with_floor_puts_values_between_a_tenth_and_one(x: np.ndarray) -> None:
    """Section 3 of the paper: the maximum of a feature is 1, the smallest non-zero value 0.1, padding stays 0."""
    vector = L1Vector(card)
    batch = batch_of(x, vector.columns)
    scaled = vector.fitted(batch).scaled(batch)
    assert (scaled.x[~batch.mask] == 0).all()
    for i in range(3):
        values = np.unique(scaled.x[batch.mask[:, i], i])
        if len(np.unique(x[batch.mask[:, i], i])) > 1:
            assert values.min() == pytest.approx(0.1, abs=1e-5)
            assert values.max() == pytest.approx(1.0, abs=1e-5)
        elif len(values):
            assert values == pytest.approx([0.1], abs=1e-5)
    order = np.argsort(x[:, 0], kind="stable")
    assert (np.diff(scaled.x[order, 0]) >= 0).all()  # the map keeps the order


def test_an_always_empty_slot_takes_the_scale_of_its_neighbour() -> None:
    vector = L1Vector(card)
    x = np.array([[50, 0, 10], [100, 0, 30]], dtype=np.float32)
    fitted = vector.fitted(batch_of(x, vector.columns))
    new = np.array([[75, 75, 20]], dtype=np.float32)
    scaled = fitted.scaled(batch_of(new, vector.columns))
    assert scaled.x[0, 1] == scaled.x[0, 0] == pytest.approx(0.55)


def test_standard_scale_is_that_of_the_fpga_paper(examples: Path) -> None:
    """pT: mean 0, deviation 1 with padding as zeros, then masked; eta and phi are left alone."""
    vae = load_analysis("vae").input
    batch = raw(examples / "h0.h5", vae)
    vector = L1Vector(vae).fitted(batch)
    scaled = vector.scaled(batch)
    i, j = batch.columns.index("jet1_pt"), batch.columns.index("jet1_eta")
    expected = (batch.x[:, i] - batch.x[:, i].mean(dtype=np.float64)) / batch.x[:, i].std(dtype=np.float64)
    np.testing.assert_allclose(scaled.x[batch.mask[:, i], i], expected[batch.mask[:, i]], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(scaled.x[:, j], batch.x[:, j])
    assert (scaled.x[~batch.mask] == 0).all()


def test_min_max_scale_takes_padding_for_zeros(examples: Path) -> None:
    """sklearn's MinMaxScaler on the padded numbers, as in the code of arXiv:2111.06417."""
    card = L1VectorCard(kind="l1_vector", features=("pt", "eta", "phi"), order=("met", "muons"), scale="min_max")
    batch = raw(examples / "h0.h5", card)
    scaled = L1Vector(card).fitted(batch).scaled(batch).x.astype(np.float64)
    x = batch.x.astype(np.float64)
    span = np.ptp(x, axis=0)
    assert (span == 0).any()  # met_eta
    np.testing.assert_allclose(scaled, (x - x.min(axis=0)) / np.where(span > 0, span, 1), atol=1e-6)
    eta = batch.columns.index("muon2_eta")
    assert scaled[~batch.mask[:, eta], eta].min() > 0.4  # not the 0 of the most negative eta


def test_state_round_trip(examples: Path) -> None:
    recipe = load_analysis("snn_ae").input
    batch = raw(examples / "h0.h5", recipe)
    vector = L1Vector(recipe).fitted(batch)
    again = L1Vector.from_state(recipe, vector.state())
    np.testing.assert_array_equal(vector.scaled(batch).x, again.scaled(batch).x)


def test_faults_are_refused(examples: Path) -> None:
    recipe = load_analysis("snn_ae").input
    batch = raw(examples / "h0.h5", recipe)
    with pytest.raises(CardError, match="must be fitted"):
        L1Vector(recipe).scaled(batch)
    with pytest.raises(CardError, match="'gain' must be 19 finite numbers"):
        L1Vector.from_state(recipe, {"gain": np.ones(3), "offset": np.ones(19)})
    with pytest.raises(InputDataError, match="no background"):
        L1Vector(recipe).fitted(batch.take(slice(0, 0)))
    with pytest.raises(ValueError, match="different kind or layout"):
        Batch.concatenate([batch, batch_of(np.ones((2, 1), dtype=np.float32), ("a",))])
    with pytest.raises(ValueError, match="its layout needs"):
        Batch(
            "l1_vector",
            Layout.vector(["a"]),
            np.ones((2, 2), dtype=np.float32),
            np.ones((2, 2), dtype=bool),
            np.ones(2),
        )
