"""Bump hunts in a plane, from histograms to the answer."""

from __future__ import annotations

import json
from pathlib import Path

import hist
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError, UsageError
from hepad.pipeline.bumphunt.plane import PlaneOptions, bumphunt_plane


def write(path: Path, **planes: np.ndarray) -> Path:
    with uproot.recreate(path) as file:
        for name, counts in planes.items():
            axes = [hist.axis.Regular(size, 0, size) for size in counts.shape]
            filled = hist.Hist(*axes, storage="double")
            filled[...] = counts
            file[name] = filled
    return path


def test_the_example_finds_what_was_added(examples: Path, process, run, tmp_path: Path) -> None:
    plane = examples / "plane.root"
    command = ("bumphunt2d", f"{plane}:data", "--reference", f"{plane}:background", "--toys")
    result = json.loads(process(*command, 60, "-o", "out", "--json").stdout)
    (x0, x1), (y0, y1) = result["window"]
    assert x0 < 3500 < x1
    assert y0 < 500 < y1
    assert result["counted_reference"] is True
    assert result["global_p"] < 0.02
    stored = json.loads((tmp_path / "out" / "plane.json").read_text())
    assert {key: stored[key] for key in result} == result
    assert [record["name"] for record in stored["provenance"]["inputs"]] == ["plane.root"]
    assert (tmp_path / "out" / "plane.png").stat().st_size > 10_000
    assert "window" in run(*command, 2).stdout


def test_a_rectangle_of_known_contents(tmp_path: Path) -> None:
    reference = np.full((8, 6), 10.0)
    counts = reference.copy()
    counts[2:4, 1:3] += 12
    path = write(tmp_path / "p.root", data=counts, background=reference)
    options = PlaneOptions(toys=200, exact_reference=True)
    found = bumphunt_plane(f"{path}:data", f"{path}:background", options=options).to_json()
    assert found["window"] == [[2.0, 4.0], [1.0, 3.0]]
    assert (found["observed"], found["expected"]) == (88.0, 40.0)
    assert found["global_p"] == pytest.approx(1 / 201)
    assert not found["counted_reference"]


def test_faults_name_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path / "p.root", data=np.ones((4, 4)), other=np.ones((4, 5)), bad=np.full((4, 4), np.nan))
    with pytest.raises(InputDataError, match=r"holds no two-dimensional histogram 'none'; it holds data, other, bad"):
        bumphunt_plane(f"{path}:none", f"{path}:data")
    with pytest.raises(InputDataError, match="other bins"):
        bumphunt_plane(f"{path}:data", f"{path}:other")
    with pytest.raises(InputDataError, match=r"bin \(0, 0\) are nan"):
        bumphunt_plane(f"{path}:bad", f"{path}:data")
    with pytest.raises(InputDataError, match="does not exist"):
        bumphunt_plane(str(tmp_path / "no.root"), f"{path}:data")
    with pytest.raises(InputDataError, match="a TH2"):
        bumphunt_plane(str(tmp_path / "no.csv"), f"{path}:data")
    with pytest.raises(UsageError, match="not negative"):
        bumphunt_plane(f"{path}:data", f"{path}:data", options=PlaneOptions(toys=-1))
