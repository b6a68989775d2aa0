"""The ADC2021 reader."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events

FIELDS = {name: {"pt", "eta", "phi"} for name in ("jets", "electrons", "muons")} | {"met": {"pt", "phi"}}


def test_values_are_those_in_the_file(examples: Path) -> None:
    path = examples / "h0.h5"
    events = ak.concatenate([c.events for c in read_events([path], FIELDS, step_size=500)])
    with h5py.File(path) as file:
        particles = file["Particles"][:]
    assert np.array_equal(ak.to_numpy(events.met.pt), particles[:, 0, 0])
    assert np.array_equal(ak.to_numpy(events.met.phi), particles[:, 0, 2])
    for name, rows in {"electrons": slice(1, 5), "muons": slice(5, 9), "jets": slice(9, 19)}.items():
        for feature, column in {"pt": 0, "eta": 1, "phi": 2}.items():
            padded = ak.fill_none(ak.pad_none(events[name][feature], rows.stop - rows.start, axis=1), 0)
            assert np.array_equal(ak.to_numpy(padded), particles[:, rows, column])
    assert np.array_equal(ak.to_numpy(events.index), np.arange(len(particles)))


def write(path: Path, **datasets: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def test_nan_is_named_with_its_entry(tmp_path: Path) -> None:
    particles = np.zeros((5, 19, 4), dtype=np.float32)
    particles[3, 9, 0] = np.nan
    path = write(tmp_path / "bad.h5", Particles=particles)
    with pytest.raises(InputDataError, match=r"bad\.h5.*'Particles' holds nan at entry 3"):
        list(read_events([path], FIELDS, step_size=2))


def test_wrong_shape(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"shape \(5, 18, 4\)"):
        open_events(write(tmp_path / "bad.h5", Particles=np.zeros((5, 18, 4))))


def test_other_hdf5(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"no dataset 'Particles' \(datasets in it: x\)"):
        open_events(write(tmp_path / "other.h5", x=np.zeros(3)))


def test_truncated(examples: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    path.write_bytes((examples / "h0.h5").read_bytes()[:60_000])
    with pytest.raises(InputDataError, match=r"cut\.h5.*(damaged|truncated)"):
        list(read_events([path], FIELDS))


def test_what_the_format_lacks_is_named(examples: Path) -> None:
    for fields, lacking in (({"jets": {"mass"}}, r"jets\.mass"), ({"photons": {"pt"}}, r"photons\.pt")):
        with pytest.raises(InputDataError, match=rf"no {lacking}"):
            list(read_events([examples / "h0.h5"], fields))


def test_no_entries(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="no entries"):
        list(read_events([write(tmp_path / "none.h5", Particles=np.zeros((0, 19, 4)))], FIELDS))


def test_les_houches_events_in_hdf5(tmp_path: Path) -> None:
    names = ("events", "init", "particles", "procInfo", "version")
    with pytest.raises(InputDataError, match=r"Les Houches events in HDF5 \(LHEH5\).*pylhe"):
        open_events(write(tmp_path / "x.h5", **{name: np.zeros((3, 2)) for name in names}))
