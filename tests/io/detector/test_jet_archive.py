"""Jets in .npz: real ones of JetClass, and what is wrong with others."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events

FIELDS = {"particles": {"pt", "eta", "phi", "energy"}, "fatjets": {"pt", "eta", "phi", "mass"}}
MASSES = (169.360072, 130.979955, 169.471138, 117.813161)
"""Of the sums of the particles, in GeV: numpy alone."""


def read(path: Path, fields: Any = FIELDS, **options: Any) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields, **options)])


def test_jets_are_the_sums_of_their_particles(data: Path, tmp_path: Path) -> None:
    path = data / "jetclass_jets.npz"
    with closing(open_events(path)) as file:
        assert (file.format, file.entries, file.labels) == (
            "jet_archive",
            4,
            ("class_0", "class_1", "class_8", "class_9"),
        )
    fields = {**FIELDS, "label": {"class_0", "class_8"}}
    events = read(path, fields)
    assert events.label.class_0.tolist() == [True, False, False, False]
    assert events.label.class_8.tolist() == [False, False, True, False]
    stored = np.load(path)["p4"].astype(np.float64)
    assert ak.num(events.particles).tolist() == np.load(path)["n"].tolist()
    px, py, _, energy = stored.transpose(1, 0, 2)
    pt = np.hypot(px, py)
    order = np.argsort(-pt, axis=1, kind="stable")
    for values, of in ((events.particles.pt, pt), (events.particles.energy, energy)):
        padded = ak.to_numpy(ak.fill_none(ak.pad_none(values, 128), 0))
        np.testing.assert_allclose(padded, np.take_along_axis(of, order, 1), rtol=1e-6)
    np.testing.assert_allclose(events.fatjets.pt[:, 0], np.hypot(px.sum(1), py.sum(1)), rtol=1e-6)
    np.testing.assert_allclose(events.fatjets.mass[:, 0], MASSES, rtol=1e-6)
    assert ak.array_equal(read(path, fields, step_size=3), events)
    doubled = {"p4": stored[:, :, ::-1]}  # another type and order, no labels
    np.savez(tmp_path / "plain.npz", **doubled)
    assert np.allclose(ak.flatten(read(tmp_path / "plain.npz").particles.pt), ak.flatten(events.particles.pt))
    with closing(open_events(tmp_path / "plain.npz")) as file:
        pieces = [next(file.iterate(FIELDS, step_size=1, stop=4, start=start)) for start in (2, 0, 3)]  # not in order
        assert ak.flatten(ak.concatenate(pieces).fatjets.mass).tolist() == events.fatjets.mass[[2, 0, 3], 0].tolist()
    with pytest.raises(InputDataError, match=r"plain\.npz: a \.npz of jets has no particles\.charge, label\.class_0"):
        read(tmp_path / "plain.npz", {"particles": {"charge"}, "label": {"class_0"}})


GOOD = np.ones((3, 4, 5), dtype=np.float32)
BAD = {
    "(3, 3, 5); jets have floating-point (N, 4, n)": {"p4": GOOD[:, :3]},
    "int64": {"p4": GOOD.astype(np.int64)},
    "2000 particles a jet, more than 1024": {"p4": np.ones((1, 4, 2000), dtype=np.float32)},
    "branch 'p4' holds nan at entry 1": {"p4": np.where(np.arange(3)[:, None, None] == 1, np.nan, GOOD)},
    "branch 'p4' holds -1.0 at entry 0": {"p4": -GOOD},
    "'label' has 2 rows, 'p4' 3": {"p4": GOOD, "label": np.zeros(2, dtype=np.int8)},
    "'label' is float64 (3,); jets have whole (N)": {"p4": GOOD, "label": np.zeros(3)},
    "branch 'label' holds -1": {"p4": GOOD, "label": -np.ones(3, dtype=np.int8)},
    "'label' has 5000; labels": {"p4": GOOD, "label": np.full(3, 5000)},
    "'p4' is object (1,)": {"p4": np.array([{}], dtype=object)},
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_wrong_with_an_array_is_said(tmp_path: Path, message: str) -> None:
    np.savez_compressed(tmp_path / "bad.npz", **BAD[message])
    with pytest.raises(InputDataError) as error:
        read(tmp_path / "bad.npz")
    assert message in str(error.value)
    assert "bad.npz: " in str(error.value)
