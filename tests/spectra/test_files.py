"""Reading and writing spectra: every format gives the same bins, and every fault is named."""

from __future__ import annotations

import json
from pathlib import Path

import hist
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.spectra.files import (
    Spectrum,
    read_spectrum,
    spectrum_path,
    write_histograms_json,
    write_histograms_root,
)

EDGES = np.array([100.0, 150.0, 250.0, 400.0])
COUNTS = np.array([5.0, 0.0, 2.0])


@pytest.fixture
def histograms() -> dict[str, hist.Hist]:
    plain = hist.Hist.new.Var(EDGES, name="mass").Double()
    plain.fill([120.0] * 5 + [300.0] * 2 + [50.0, 900.0])  # the last two are under- and overflow
    weighted = hist.Hist.new.Reg(4, 0, 8, name="mass").Weight()
    weighted.fill([1.0, 1.0, 5.0], weight=[0.5, 2.0, 3.0])
    return {"plain": plain, "weighted": weighted}


@pytest.mark.parametrize("suffix", ["root", "json"])
def test_written_histograms_are_read_back(tmp_path: Path, histograms: dict[str, hist.Hist], suffix: str) -> None:
    path = tmp_path / f"spectra.{suffix}"
    (write_histograms_root if suffix == "root" else write_histograms_json)(path, histograms)
    plain = read_spectrum(f"{path}:plain")
    np.testing.assert_array_equal(plain.edges, EDGES)
    np.testing.assert_array_equal(plain.counts, COUNTS)
    assert not plain.is_weighted
    weighted = read_spectrum(f"{path}:weighted")
    np.testing.assert_array_equal(weighted.edges, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(weighted.counts, [2.5, 0, 3, 0])
    assert weighted.variances is not None
    np.testing.assert_allclose(weighted.variances, [4.25, 0, 9, 0])
    assert weighted.is_weighted
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_name_may_be_left_out_only_where_there_is_one(tmp_path: Path, histograms: dict[str, hist.Hist]) -> None:
    one, two = tmp_path / "one.root", tmp_path / "two.root"
    write_histograms_root(one, {"only": histograms["plain"]})
    write_histograms_root(two, histograms)
    assert read_spectrum(str(one)).name == f"{one}:only"
    with pytest.raises(InputDataError, match=r"two\.root holds 2 histograms; choose .* plain, weighted"):
        read_spectrum(str(two))
    with pytest.raises(InputDataError, match=r"no one-dimensional histogram 'other'; it holds plain, weighted"):
        read_spectrum(f"{two}:other")


def test_a_single_uhi_histogram_needs_no_name(tmp_path: Path, histograms: dict[str, hist.Hist]) -> None:
    path = tmp_path / "single.json"
    write_histograms_json(path, histograms)
    path.write_text(json.dumps(json.loads(path.read_text())["plain"]))
    np.testing.assert_array_equal(read_spectrum(str(path)).counts, COUNTS)
    with pytest.raises(InputDataError, match="leave out ':plain'"):
        read_spectrum(f"{path}:plain")


@pytest.mark.parametrize("header", ["", "anything,you,like,here\n", "# comment\nlow,high,n,b\n"])
def test_csv_with_or_without_a_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(header + "100,150,5,4.5\n150,250,0,1.5\n\n250,400,2,1\n")
    spectrum = read_spectrum(str(path))
    np.testing.assert_array_equal(spectrum.edges, EDGES)
    np.testing.assert_array_equal(spectrum.counts, COUNTS)
    assert spectrum.reference is not None
    np.testing.assert_array_equal(spectrum.reference, [4.5, 1.5, 1.0])
    assert spectrum.variances is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,2,3\n2,3,nan\n", r"counts in bin 2-3 are nan"),
        ("1,2,3\n2,3,-4\n", r"counts in bin 2-3 are -4"),
        ("1,2,3\n2.5,3,4\n", r"line 2: bins are not contiguous, 2\.5 follows 2"),
        ("1,2,3\n2,2,4\n", r"edges must rise, but 2 follows 2"),
        ("1,2,3\n2,3\n", r"line 2: found 2 columns, expected 3"),
        ("1,2,3\n2,3,many\n", r"line 2: 'many' is not a number"),
        ("1,2\n2,3\n", r"2 columns; expected low edge, high edge, counts"),
        ("low,high,counts\n", r"holds no bins"),
        ("", r"holds no bins"),
        ("1,2,3,inf\n", r"reference in bin 1-2 are inf"),
    ],
)
def test_a_faulty_table_is_refused_with_its_place(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(rows)
    with pytest.raises(InputDataError, match=message) as caught:
        read_spectrum(str(path))
    assert "bad.csv" in str(caught.value)


def test_files_that_are_no_spectra(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"missing\.root does not exist"):
        read_spectrum(str(tmp_path / "missing.root:h"))
    with pytest.raises(InputDataError, match="is not a spectrum"):
        read_spectrum("spectrum.txt")
    (tmp_path / "text.root").write_text("this is no ROOT file")
    with pytest.raises(InputDataError, match=r"text\.root is not a ROOT file"):
        read_spectrum(str(tmp_path / "text.root"))
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(InputDataError, match="is not a UHI histogram"):
        read_spectrum(str(tmp_path / "list.json"))
    (tmp_path / "broken.json").write_text('{"axes": \n')
    with pytest.raises(InputDataError, match="not valid JSON at line 2"):
        read_spectrum(str(tmp_path / "broken.json"))
    (tmp_path / "twice.json").write_text('{"h": {"axes": []}, "h": {"axes": []}}')
    with pytest.raises(InputDataError, match="not valid JSON: key 'h' is given twice"):
        read_spectrum(str(tmp_path / "twice.json"))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputDataError, match=r"cannot read .*bytes\.csv"):
        read_spectrum(str(tmp_path / "bytes.csv"))


def test_trees_and_two_dimensional_histograms_are_not_spectra(tmp_path: Path) -> None:
    path = tmp_path / "other.root"
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": np.float64}).extend({"x": np.zeros(3)})
        file["plane"] = hist.Hist.new.Reg(2, 0, 1).Reg(2, 0, 1).Double()
    with pytest.raises(InputDataError, match="holds no one-dimensional histogram"):
        read_spectrum(str(path))
    json_path = tmp_path / "plane.json"
    write_histograms_json(json_path, {"plane": hist.Hist.new.Reg(2, 0, 1).Reg(2, 0, 1).Double()})
    with pytest.raises(InputDataError, match="has 2 axes"):
        read_spectrum(str(json_path))


def test_restrict_keeps_whole_bins_and_all_columns() -> None:
    spectrum = Spectrum("s", EDGES, COUNTS, variances=COUNTS + 1, reference=COUNTS + 2)
    part = spectrum.restrict(120, 400)
    np.testing.assert_array_equal(part.edges, [150, 250, 400])
    np.testing.assert_array_equal(part.counts, [0, 2])
    assert part.variances is not None
    assert part.reference is not None
    np.testing.assert_array_equal(part.variances, [1, 3])
    np.testing.assert_array_equal(part.reference, [2, 4])
    with pytest.raises(InputDataError, match="no whole bin lies in 110:140"):
        spectrum.restrict(110, 140)


def test_spec_is_split_at_the_ending_of_the_file() -> None:
    assert spectrum_path("a/b.root:dir/h:x") == (Path("a/b.root"), "dir/h:x")
    assert spectrum_path("a/b.json") == (Path("a/b.json"), None)
    assert spectrum_path("b.root:") == (Path("b.root"), None)
