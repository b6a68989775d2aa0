"""Tables of particles in HDF5: frames that pandas wrote, and files of the other layouts written here."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest

from hepad.cards.selection import SelectionCard
from hepad.errors import CardError, InputDataError, MissingExtraError
from hepad.io.detector.pandas_frame import Frame
from hepad.io.reader import open_events, read_events
from hepad.objects.selection import apply_selection

MOMENTA = {"pt", "eta", "phi", "energy"}
BOTH = {"particles": MOMENTA, "fatjets": {"pt", "eta", "phi", "mass"}, "label": {"signal", "background"}}


def read(path: Path, fields: object = None, **options: object) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields or BOTH, **options)])


def frame(path: Path, values: np.ndarray, names: object) -> Path:
    """A frame of pandas in its fixed format, of one block."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs.update({"pandas_type": np.bytes_("frame"), "nblocks": 1})
        group["block0_values"], group["block0_items"] = values, names
    return path


@pytest.mark.parametrize("name", ["toptag_table.h5", "toptag_fixed.h5"])
def test_jets_of_top_tagging_are_the_particles_that_pandas_wrote(data: Path, name: str) -> None:
    events = read(data / name)
    with h5py.File(data / "toptag_fixed.h5") as file:
        energy, px, py, pz = file["table/block0_values"][:, :48].reshape(4, 12, 4).transpose(2, 0, 1).astype(float)
        signal = file["table/block1_values"][:, 1] == 1
    assert ak.num(events.particles).tolist() == [12, 7, 12, 12]
    assert events.label.signal.tolist() == signal.tolist() == [not one for one in events.label.background.tolist()]
    pt = np.hypot(px, py)
    order = np.argsort(-pt, axis=1, kind="stable")
    there = np.arange(12) < np.array([[12], [7], [12], [12]])
    p, along = events.particles, [np.take_along_axis(x, order, 1)[there] for x in (pt, energy, px, py, pz)]
    found = (p.pt, p.energy, p.pt * np.cos(p.phi), p.pt * np.sin(p.phi), p.pt * np.sinh(p.eta))
    for values, expected in zip(found, along, strict=True):
        np.testing.assert_allclose(ak.to_numpy(ak.flatten(values)), expected, rtol=1e-12, atol=1e-9)
    jet = events.fatjets[:, 0]
    sums = {"e": energy.sum(1), "x": px.sum(1), "y": py.sum(1), "z": pz.sum(1)}
    np.testing.assert_allclose(jet.pt, np.hypot(sums["x"], sums["y"]))
    np.testing.assert_allclose(jet.phi, np.arctan2(sums["y"], sums["x"]))
    mass2 = sums["e"] ** 2 - sums["x"] ** 2 - sums["y"] ** 2 - sums["z"] ** 2
    np.testing.assert_allclose(jet.mass, np.sqrt(mass2))
    assert ak.array_equal(read(data / name, step_size=3), events)


def test_jets_are_selected_by_their_label(data: Path) -> None:
    requirement = {"name": "top quarks", "all": [{"label": "signal"}]}
    card = SelectionCard(schema="selection/1", name="tops", title="Tops", reference="none", require=[requirement])
    kept, mask, _ = apply_selection(read(data / "toptag_table.h5"), card)
    assert card.fields() == {"label": {"signal"}}
    assert mask.tolist() == [False, True, False, True]
    assert len(kept) == 2
    with closing(open_events(data / "toptag_fixed.h5")) as source:
        assert (source.format, source.labels) == ("top_tagging", ("background", "signal"))
    with pytest.raises(InputDataError, match=r"toptag_fixed\.h5: a file of top tagging has no label\.Tbqq"):
        read(data / "toptag_fixed.h5", {"label": {"Tbqq"}})
    with pytest.raises(InputDataError, match=r"no fatjets\.tau1"):
        read(data / "toptag_fixed.h5", {"fatjets": {"tau1"}})


def test_the_names_of_a_table_are_read_and_nothing_is_unpickled(data: Path, tmp_path: Path) -> None:
    with h5py.File(data / "toptag_table.h5") as file:
        names = Frame(Path("x.h5"), file, "table").names
    assert names == (*(f"{p}_{i}" for i in range(12) for p in ("E", "PX", "PY", "PZ")), *names[48:])
    assert names[48:] == ("truthE", "truthPX", "truthPY", "truthPZ", "ttv", "is_signal_new")
    path = tmp_path / "bad.h5"
    path.write_bytes((data / "toptag_table.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        file["table/table"].attrs["values_block_1_kind"] = np.bytes_(b"(lp0\nVttv\np1\na.")
    with pytest.raises(InputDataError, match=r"bad\.h5: frame 'table' has columns of 54 numbers and 53 names"):
        open_events(path)


def test_events_of_the_lhc_olympics_are_particles_in_double_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    values = np.zeros((5, 13))
    values[:, :12] = rng.uniform(0.1, 9, (5, 12))
    values[1, 3:12] = values[2, :12] = 0
    values[3, 12] = 1
    events = read(frame(tmp_path / "lhco.h5", values, np.arange(13)), {n: BOTH[n] for n in ("particles", "label")})
    assert ak.num(events.particles).tolist() == [4, 1, 0, 4, 4]
    assert events.label.signal.tolist() == [False, False, False, True, False]
    pt = values[0, :12:3]
    order = np.argsort(-pt)
    assert events.particles.pt[0].tolist() == pt[order].tolist()
    assert events.particles.eta[0].tolist() == values[0, 1:12:3][order].tolist()
    np.testing.assert_allclose(events.particles.energy[0], (pt * np.cosh(values[0, 1:12:3]))[order])
    black_box = frame(tmp_path / "box.h5", values[:, :12], np.arange(12))
    with closing(open_events(black_box)) as source:
        assert (source.format, source.labels) == ("lhc_olympics", ())
        assert source.available() == {"particles": MOMENTA}


def test_jets_of_jetnet_get_their_momenta_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    particles = np.zeros((3, 30, 4), dtype=np.float32)
    particles[0, :5] = [(0.1, 0.2, f, 1) for f in (0.4, 0.3, 0.1, 0.15, 0.05)]
    particles[1, :30] = np.append(rng.uniform(0, 0.1, (30, 3)), np.ones((30, 1)), axis=1)
    jets = np.array([[1000, 0.5, 80, 5], [900, -1, 40, 30], [800, 0, 0, 0]], dtype=np.float32)
    path = tmp_path / "t.hdf5"
    with h5py.File(path, "w") as file:
        file["particle_features"], file["jet_features"] = particles, jets
    events = read(path, {n: BOTH[n] for n in ("particles", "fatjets")})
    assert ak.num(events.particles).tolist() == [5, 30, 0]
    np.testing.assert_allclose(events.particles.pt[0], [400, 300, 150, 100, 50], rtol=1e-6)
    np.testing.assert_allclose(events.particles.eta[0], 0.6, rtol=1e-6)
    np.testing.assert_allclose(events.particles.phi[0], 0.2, rtol=1e-6)
    assert events.fatjets.mass[:, 0].tolist() == [80, 40, 0]
    with h5py.File(path, "r+") as file:
        del file["jet_features"]
        file["jet_features"] = jets[:2]
    with pytest.raises(InputDataError, match=r"'jet_features' has 2 rows of 4 numbers, for 3 jets"):
        open_events(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("E_0", -1, "branch 'E' holds -1.0 at entry 1"),
        ("PX_1", np.nan, "branch 'df/block0_values' holds nan at entry 1"),
        ("PY_1", None, "frame 'df' has no column 'PY_1'"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, column: str, value: float | None, message: str) -> None:
    names = [f"{part}_{i}" for i in range(2) for part in ("E", "PX", "PY", "PZ")]
    values = np.ones((2, 8))
    values[1, names.index(column)] = value or 0
    names = [name if value is not None or name != column else "other" for name in names]
    path = frame(tmp_path / "bad.h5", values, np.array(names, dtype="S5"))
    with pytest.raises(InputDataError, match=rf"bad\.h5: {message}"):
        read(path, {"particles": {"pt"}})


def test_other_frames_and_files_without_their_plugin_are_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputDataError, match=r"other\.h5: frame 'df' has columns a, b ...; hepad reads those of"):
        open_events(frame(tmp_path / "other.h5", np.ones((2, 2)), np.array([b"a", b"b"])))
    with pytest.raises(InputDataError, match=r"two\.h5: frame 'df' has 5 columns; LHC Olympics"):
        open_events(frame(tmp_path / "two.h5", np.ones((2, 5)), np.arange(5)))
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code != 32001)
    monkeypatch.setitem(__import__("sys").modules, "hdf5plugin", None)
    with pytest.raises(MissingExtraError, match=r"filter 32001; to read it needs the package hdf5plugin"):
        open_events(data / "toptag_table.h5")


def test_a_label_is_a_name() -> None:
    with pytest.raises((CardError, ValueError), match="label"):
        SelectionCard(
            schema="selection/1",
            name="x",
            title="x",
            reference="x",
            require=[{"name": "x", "all": [{"label": "not a name"}]}],
        )
