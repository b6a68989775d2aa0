"""Rapidity-mass matrices as a table: whole in arrays, one column a cell where a format has no arrays."""

from __future__ import annotations

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from hepad.errors import CardError
from hepad.pipeline.vectorize import VectorizeOptions, vectorize
from hepad.samples import selected

OPTIONS = VectorizeOptions(selection="adfilter_0", input="rmm")


@pytest.mark.parametrize("rows", [3, 1024])
def test_matrices_are_written_the_same_in_any_format_and_blocks(rows, data, tmp_path, monkeypatch):
    monkeypatch.setattr(selected, "BLOCK_ROWS", rows)
    files = [str(data / "hpm_taunu_0.root")]
    report = vectorize(files, tmp_path / "rmm.npz", options=OPTIONS)
    with np.load(tmp_path / "rmm.npz", allow_pickle=False) as file:
        x, names, entry = file["x"], file["columns"], file["entry"]
    assert x.shape == (report.cutflow.selected.events, 51, 51)
    assert x.dtype == np.float32
    assert names.shape == (51, 51)
    assert report.columns == tuple(names.ravel())
    assert (x[:, 0, 0] > 0).any()
    assert np.array_equal(entry, np.unique(entry))
    vectorize(files, tmp_path / "rmm.h5", options=OPTIONS)
    with h5py.File(tmp_path / "rmm.h5") as file:
        np.testing.assert_array_equal(file["x"][:], x)
        np.testing.assert_array_equal(file["columns"].asstr()[:], names)
    vectorize(files, tmp_path / "rmm.parquet", options=OPTIONS)
    table = pq.read_table(tmp_path / "rmm.parquet", columns=["m(lightjet1,bjet1)", "entry"])
    np.testing.assert_array_equal(table["m(lightjet1,bjet1)"].to_numpy(), x[:, 1, 11])
    np.testing.assert_array_equal(table["entry"].to_numpy(), entry)


def test_an_option_of_another_input_is_refused(data, tmp_path):
    options = VectorizeOptions(selection="adfilter_0", input="rmm", features=("pt",))
    with pytest.raises(CardError, match="key 'features': unknown key"):
        vectorize([str(data / "hpm_taunu_0.root")], tmp_path / "x.npz", options=options)
