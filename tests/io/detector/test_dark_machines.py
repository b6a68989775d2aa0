"""The reader of the Dark Machines challenge's text."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events

from ...conftest import Run

FIELDS = {
    "jets": {"pt", "eta", "phi", "mass", "btag"},
    "electrons": {"pt", "charge"},
    "muons": {"pt", "charge", "phi"},
    "photons": {"pt", "eta"},
    "met": {"pt", "phi"},
}
TEXT = """\
0;ttbar;2.5e-05;120000;-1.5;j,50000,30000,1,0.5;b,100000,80000,-0.5,3;e-,30000,29000,0.1,1;mu+,7000,6000.5,-0.2,2;
0;ttbar;1;1.5e+03;0.25;g,20000,19000,0.3,-1;e+,30000,29000,0.1,1;m-,7000,5000,-0.2,2;m+,8000,7000,-0.2,-2

7;ttbar;1;0;0;
"""


def write(path: Path, text: str = TEXT) -> Path:
    path.write_text(text)
    return path


def read(path: Path, **how: int) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], FIELDS, **{"step_size": 100, **how})])


def test_values_in_gev(tmp_path: Path) -> None:
    events = read(write(tmp_path / "a.csv"))
    assert events.weight.tolist() == [2.5e-5, 1, 1]
    assert events.index.tolist() == [0, 1, 2]
    assert events.met.pt.tolist() == [120, 1.5, 0]
    assert events.met.phi.tolist() == [-1.5, 0.25, 0]
    assert events.jets.pt.tolist() == [[80, 30], [], []]  # by falling pt
    assert events.jets.btag.tolist() == [[True, False], [], []]
    assert events.jets.eta.tolist() == [[-0.5, 1], [], []]
    assert events.jets.mass[0].tolist() == pytest.approx(
        [np.sqrt(100**2 - (80 * np.cosh(0.5)) ** 2), np.sqrt(50**2 - (30 * np.cosh(1)) ** 2)]
    )
    assert events.electrons.charge.tolist() == [[-1], [1], []]
    assert events.muons.charge.tolist() == [[1], [1, -1], []]
    assert events.muons.phi.tolist() == [[2], [-2, 2], []]
    assert events.photons.pt.tolist() == [[], [19], []]


def test_any_cut_of_it_and_compressed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    for each in (path, packed):
        source = open_events(each)
        assert (source.format, source.entries) == ("dark_machines", 3)
        assert source.sample().sqrt_s_gev == 13000
        last = list(source.iterate({"met": {"pt"}}, step_size=1, start=1, stop=9))
        assert [(e.index.tolist(), e.met.pt.tolist()) for e in last] == [([1], [1.5]), ([2], [0])]
        assert read(each, step_size=2).tolist() == read(path).tolist()


def test_rounding_gives_no_imaginary_mass(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "0;x;1;10;0;j,30000,30000,0.001,0;j,1e3,900,60,0;\n")
    assert read(path).jets.mass[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0;x;1;10", "line 2: 4 fields"),
        ("0;x;1;10;0;t,1,1,1,1", "line 2: 't,1,1,1,1' is no object"),
        ("0;x;1;10;0;j,1,1,1", "line 2: 'j,1,1,1' is no object"),
        ("0;x;1;10;0;j,1,nan,1,1", "line 2: 'nan' is no number"),
        ("0;x;1;10;0;j,1,1_0,1,1", "line 2: '1_0' is no number"),
        ("0;x;1;10;0;j,1,-1,1,1", "line 2: pt is -1 in"),
        ("0;x;1;-10;0", "line 2: the missing momentum is -10"),
        ("0;x;1e999;10;0", "line 2: '1e999' is too large"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "bad.csv", f"0;x;1;10;0;j,1,1,1,1;\n{line}\n")
    with pytest.raises(InputDataError, match=rf"bad\.csv: {message}".replace("(", r"\(")):
        read(path)


def test_what_it_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="neither a ROOT nor an HDF5"):
        open_events(write(tmp_path / "other.csv", "a;b;c;d;e\n1;2;3;4;5\n"))
    with pytest.raises(InputDataError, match=r"Dark Machines format has no taus\.pt"):
        list(read_events([write(tmp_path / "a.csv")], {"taus": {"pt"}}))
    packed = tmp_path / "cut.gz"
    numbers = np.random.default_rng(1).uniform(1, 2, 5000)
    packed.write_bytes(gzip.compress("".join(f"0;x;{x};10;0;\n" for x in numbers).encode())[:-9])
    with pytest.raises(InputDataError, match=r"cut\.gz: damaged or truncated"):
        open_events(packed)


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs a file of the challenge")
def test_a_file_of_the_challenge(run: Run) -> None:
    """Its 6399 events and their objects, as `cut` and `sort` count them."""
    path = Path(os.environ["HEPAD_TEST_DATA"]) / "darkmachines" / "monojet_Zp2000.0_DM_50.0_chan3.csv"
    (said,) = json.loads(run("inspect", path, "--json").stdout)
    assert (said["format"], said["entries"]) == ("dark_machines", 6399)
    events = read(path)
    counts = {name: int(ak.count(events[name].pt)) for name in ("jets", "electrons", "muons", "photons")}
    assert counts == {"jets": 22661 + 718, "electrons": 2, "muons": 0, "photons": 92}
    assert int(ak.sum(events.jets.btag)) == 718
    assert events.met.pt[0] == 832.841
    assert events.jets.pt[0, 0] == 824.498
