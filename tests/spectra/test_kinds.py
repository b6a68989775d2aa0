"""What kind of object a histogram is, before its numbers are read: against hist, uhi and uproot, and HEPData's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
import uhi.io.json
import uproot
from uproot.writing.identify import to_TAxis, to_TH1x, to_TH2x

from hepad.errors import InputDataError
from hepad.spectra.files import Spectrum, counting_variances, read_spectrum, same_edges
from hepad.spectra.planes import read_plane
from hepad.spectra.root_histograms import counted_bins

MASSES = np.array([90.0, 120, 120, 250, 255, 390, 390, 390, 1500])


def filled(make: Any, **more: Any) -> hist.Hist:
    histogram = make
    histogram.fill(MASSES, **more)
    return histogram


STORED = {
    "int": filled(hist.Hist.new.Reg(20, 100, 1100).Int64()),
    "double": filled(hist.Hist.new.Var([100, 200, 300, 1100]).Double(), weight=np.arange(9) / 2),
    "weighted": filled(hist.Hist.new.Reg(5, 100, 1100).Weight(), weight=np.arange(9) / 2),
    "no flow": filled(hist.Hist.new.Reg(5, 100, 1100, flow=False).Double()),
    "overflow alone": filled(hist.Hist.new.Reg(5, 100, 1100, underflow=False).Weight()),
    "growing": filled(hist.Hist.new.Reg(5, 100, 1100, growth=True).Double()),
    "circular": filled(hist.Hist.new.Reg(5, 100, 1100, circular=True).Double()),
}


def written(path: Path, histogram: hist.Hist, change: Any = lambda content: content) -> str:
    content = json.loads(json.dumps(histogram, default=uhi.io.json.default))
    path.write_text(json.dumps(change(content), default=uhi.io.json.default))
    return str(path)


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("form", ["dense", "sparse", "shuffled"])
def test_every_storage_and_axis_of_counts_is_read_as_hist_has_it(tmp_path: Path, kind: str, form: str) -> None:
    histogram = STORED[kind]

    def sparse(content: dict[str, Any]) -> Any:
        ops = pytest.importorskip("uhi.io.ops", reason="this uhi writes none that are sparse")
        storage = ops.to_sparse(content)["storage"]
        order = np.random.default_rng(1).permutation(len(storage["values"]))
        order = order if form == "shuffled" else np.arange(len(order))
        arrays = {name: np.asarray(values)[..., order].tolist() for name, values in storage.items() if name != "type"}
        return {**content, "storage": {"type": storage["type"], **arrays}}

    spectrum = read_spectrum(written(tmp_path / "h.json", histogram, sparse if form != "dense" else lambda c: c))
    np.testing.assert_allclose(spectrum.edges, histogram.axes[0].edges)
    np.testing.assert_array_equal(spectrum.counts, histogram.values())
    if kind in ("weighted", "overflow alone"):
        np.testing.assert_array_equal(spectrum.variances, histogram.variances())
    else:
        assert spectrum.variances is None


def storage(**fields: Any) -> Any:
    return lambda content: {**content, "storage": {**content["storage"], **fields}}


@pytest.mark.parametrize(
    ("histogram", "change", "message"),
    [
        (filled(hist.Hist.new.Reg(5, 0, 9).Mean(), sample=MASSES), None, "is a profile .* its values are means"),
        (filled(hist.Hist.new.Reg(5, 0, 9).WeightedMean(), sample=MASSES), None, "is a profile"),
        (hist.Hist.new.StrCat(["a", "b"]).Double(), None, r"has categories \(category_str\)"),
        (hist.Hist.new.IntCat([1, 2]).Double(), None, r"has categories \(category_int\)"),
        (hist.Hist.new.Bool().Double(), None, r"has categories \(boolean\)"),
        (STORED["int"], storage(type="efficiency"), "storage of type 'efficiency'"),
        (STORED["int"], lambda c: {**c, "uhi_schema": 2}, "follows UHI schema 2; hepad reads 1"),
        (STORED["no flow"], storage(values=[1.0, 2.0]), r"values of shape \(2,\), its axis has 5 bins"),
        (STORED["no flow"], storage(values=[1.0, 2.0], index=[[0, 5]]), "index has place 5; there are 5 bins"),
        (STORED["no flow"], storage(values=[1.0, 2.0], index=[[-1, 2]]), "index has place -1"),
        (STORED["no flow"], storage(values=[1.0, 2.0], index=[[1.5, 2]]), r"index has place 1\.5"),
        (STORED["no flow"], storage(values=[1.0, 2.0], index=[[2, 2]]), "a place given twice"),
        (STORED["no flow"], storage(values=[1.0, 2.0], index=[2, 3]), r"index of shape \(2,\)"),
        (STORED["weighted"], storage(variances=[-1.0] * 7), "variances in bin 100-300 are -1"),
    ],
)
def test_what_is_no_spectrum_is_named(tmp_path: Path, histogram: hist.Hist, change: Any, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        read_spectrum(written(tmp_path / "h.json", histogram, change or (lambda content: content)))


def test_an_empty_storage_holds_zeros(tmp_path: Path) -> None:
    empty = {"storage": {"type": "weighted"}}
    spectrum = read_spectrum(written(tmp_path / "h.json", STORED["weighted"], lambda content: {**content, **empty}))
    np.testing.assert_array_equal([spectrum.counts, spectrum.variances], np.zeros((2, 5)))


def axis(bins: int, name: str = "x", labels: Any = None) -> Any:
    return to_TAxis(name, "", bins, 0.0, float(bins), fLabels=labels)


def one(values: list[float], sumw2: list[float], labels: Any = None) -> Any:
    n = len(values) - 2
    return to_TH1x("h", "", np.array(values), 0.0, 0.0, 0.0, 0.0, 0.0, np.array(sumw2), axis(n, "xaxis", labels))


def test_variances_of_root_histograms_are_those_stored(tmp_path: Path) -> None:
    """uproot makes variances equal to the contents where Sumw2 is not stored; ROOT files have both kinds."""
    path = tmp_path / "h.root"
    flat = [0.0] * 4 + [0.0, 1.5, 2.0, 0.0] + [0.0, 0.0, 7.0, 0.0] + [0.0] * 4
    with uproot.recreate(path) as file:
        file["without"] = one([9.0, 1.5, 2.0, 9.0], [])
        file["with"] = one([9.0, 1.5, 2.0, 9.0], [9.0, 0.5, 4.0, 9.0])
        for name, sumw2 in (("plane without", []), ("plane with", flat)):
            file[name] = to_TH2x(
                "p", "", np.array(flat), *([0.0] * 8), np.array(sumw2), axis(2, "xaxis"), axis(2, "yaxis")
            )
    assert read_spectrum(f"{path}:without").variances is None
    np.testing.assert_array_equal(read_spectrum(f"{path}:without").counts, [1.5, 2.0])
    np.testing.assert_array_equal(read_spectrum(f"{path}:with").variances, [0.5, 4.0])
    assert read_plane(f"{path}:plane without").variances is None
    plane = read_plane(f"{path}:plane with")
    np.testing.assert_array_equal(plane.variances, plane.counts)
    assert plane.counts.sum() == 10.5
    with pytest.raises(InputDataError, match=r"plane with is a TH2D; hepad takes one-dimensional histograms of counts"):
        read_spectrum(f"{path}:plane with")
    with pytest.raises(InputDataError, match=r":with is a TH1D; hepad takes two-dimensional"):
        read_plane(f"{path}:with")


def test_profiles_categories_and_averages_of_root_files(tmp_path: Path) -> None:
    path = tmp_path / "h.root"
    with uproot.recreate(path) as file:
        file["profile"] = filled(hist.Hist.new.Reg(5, 0, 900).WeightedMean(), sample=MASSES)
        file["cuts"] = hist.Hist.new.StrCat(["all", "jets"]).Double()
        file["counts"] = STORED["no flow"]
    assert read_spectrum(f"{path}:counts").counts.sum() == 7
    with pytest.raises(InputDataError, match=r"profile is a TProfile; hepad takes one-dimensional histograms"):
        read_spectrum(f"{path}:profile")
    with pytest.raises(InputDataError, match=r"cuts has bins with labels \(all, jets"):
        read_spectrum(f"{path}:cuts")
    with uproot.open(path) as file:
        average = model = file["counts"]
        while "@fBits" not in model.all_members or model.bases:
            model = model.bases[0]  # TH1D, TH1, TNamed, TObject
        model._members["@fBits"] = int(model._members["@fBits"]) | 1 << 18
        with pytest.raises(InputDataError, match="holds averages"):
            counted_bins("h", average)


def test_counts_without_variances_were_counted_only_if_whole() -> None:
    assert counting_variances(np.array([1.5, 2.0]), None) is None
    np.testing.assert_array_equal(counting_variances(np.array([1.0, 2.0]), None), [1.0, 2.0])
    np.testing.assert_array_equal(counting_variances(np.array([1.5, 2.0]), np.array([3.0, 4.0])), [3.0, 4.0])
    assert counting_variances(np.array([1.0, 2.0]), np.zeros(2)) is None


def test_edges_are_the_same_up_to_how_they_were_stored() -> None:
    edges = np.array([0.1, 0.2, 0.5, 3.0])
    assert same_edges(edges, edges.astype(np.float32).astype(np.float64))
    assert same_edges(edges, np.array([float(f"{edge:.8g}") for edge in edges]))
    assert not same_edges(edges, edges + 1e-5)  # of the smallest bin's width 0.1: a tenth of a permille
    assert not same_edges(edges, edges[:-1])
    spectrum = Spectrum("s", edges.astype(np.float32).astype(np.float64), np.ones(3))
    assert spectrum.restrict(0.1, 0.5).n_bins == 2


HEAD = '#: table_doi: 10.17182/hepdata.1.v1/t1\n#: description: the "observed, and more\n#: RE,P P --> JET JET X\n'


def table(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_tables_of_hepdata(tmp_path: Path) -> None:
    rows = "1.05,1.0,1.1,673\n1.15,1.1,1.2000000000000002,411\n1.25,1.2,1.3,249\n"
    text = f"{HEAD}m_jj [TEV],m_jj [TEV] LOW,m_jj [TEV] HIGH,Events\n{rows}"
    spectrum = read_spectrum(table(tmp_path / "t.csv", text))
    np.testing.assert_allclose(spectrum.edges, [1000, 1100, 1200, 1300])
    np.testing.assert_array_equal(spectrum.counts, [673, 411, 249])
    assert spectrum.variances is None
    assert spectrum.name == str(tmp_path / "t.csv")
    more = (
        text
        + "\n#: data_file: t.yaml\nm_jj [TEV],m_jj [TEV] LOW,m_jj [TEV] HIGH,Background,stat +,stat -,sys +,sys -\n"
    )
    more += "1.05,1.0,1.1,670.5,3,-5,20,-20\n1.15,1.1,1.2,420,3,-3,9,-9\n1.25,1.2,1.3,250,2,-2,9,-9\n"
    path = table(tmp_path / "two.csv", more)
    with pytest.raises(InputDataError, match=r"choose a column as two.csv:NAME of 'Events', 'Background'"):
        read_spectrum(path)
    np.testing.assert_array_equal(read_spectrum(f"{path}:Events").counts, [673, 411, 249])
    background = read_spectrum(f"{path}:Background")
    np.testing.assert_array_equal(background.counts, [670.5, 420, 250])
    np.testing.assert_array_equal(background.variances, [16, 9, 4])
    assert read_spectrum(table(tmp_path / "one.csv", "m,m LOW,m HIGH,Events\n1500,1000,2000,33\n")).counts == [33]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m,m LOW,m HIGH,sigma [FB]\n1,0,2,3\n", r"'sigma \[FB\]' is in FB, not in events; make counts of it"),
        ("m,m LOW,m HIGH,y,y LOW,y HIGH,N\n1,0,2,3,2,4,5\n", "a HEPData table of 2 binned variables"),
        ("m,m LOW,m HIGH,N\n1,0,2,3\n\nm,m LOW,m HIGH,N\n1,0,2,4\n", "more than one column 'N'"),
        ("m,m LOW,m HIGH,N\n1,0,2,-\n", "line 2: '-' is not a number"),
        ("m,m LOW,m HIGH,N\n1,0,2,3\n4,3,5,3\n", "line 3: bins are not contiguous, 3 follows 2"),
        ("m,m LOW,m HIGH,N\n", "holds no bins of 'N'"),
        ("low,high,n\n0,1,3\n\nlow,high,n\n1,2,4\n", "holds 2 tables; keep the one"),
        ("0,1.0000001,3\n1.0001,2,4\n", r"1\.0001 follows 1\.0000001"),
    ],
)
def test_tables_that_are_no_spectra(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        read_spectrum(table(tmp_path / "t.csv", text))
