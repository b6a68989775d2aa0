"""ROOT as a witness: it reads what hepad writes, and hepad reads what it writes, with the same numbers.

`nox -s root` installs it. `HEPAD_ROOT_PYTHON` may name another Python that has it. Without it all is skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events
from hepad.io.root.lean import LeanFile
from hepad.io.tables.features import TableFile, TablePath
from hepad.spectra.files import read_spectrum

PYTHON = os.environ.get("HEPAD_ROOT_PYTHON") or (sys.executable if find_spec("ROOT") else "")
SCRIPT = Path(__file__).with_name("with_root.py")
SOURCE = Path(__file__).parents[1] / "data" / "nanoaod_cms_2015_ttbar.root"
COMPRESSIONS = [*(f"{name}{level}" for name in ("zlib", "lzma", "lz4", "zstd") for level in (1, 5, 9)), "none0"]
ROWS = np.arange(40)

pytestmark = pytest.mark.skipif(not PYTHON, reason="ROOT is not there: nox -s root")


def with_root(*words: object) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([PYTHON, str(SCRIPT), *map(str, words)], check=True, env=environment, timeout=600)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what ROOT wrote."""
    folder = tmp_path_factory.mktemp("written")
    with_root("write", folder, SOURCE)
    return folder


def events(path: Path, fields: Any = None, stop: int = 60) -> tuple[Any, Any, str]:
    with closing(open_events(path)) as source:
        fields = fields or source.available()
        pieces = list(source.iterate(fields, step_size=17, stop=stop))
        return fields, ak.concatenate(pieces), source.whole  # type: ignore[attr-defined]


def test_root_reads_what_hepad_writes(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    """Trees, RNTuples in pieces, histograms with errors, and strings."""
    score = ("score", data / "hpm_taunu_0.root", "--model", "dnn_ae", "--step-size", 300, "-o")
    jets = ("jets", data / "lhco.h5", "--min-pt", 20, "--step-size", 1, "-o")
    for name, words in (("scores", score), ("jets", jets)):
        run(*words, f"{name}.root")
        run(*words, f"{name}_new.root", "--format", "rntuple")
    masses = ("--mass", "jet1+jet2", "--edges", "0,90,400,2000", "--cross-section", 2, "--luminosity", 0.3)
    run("hist", score[1], "--scores", "scores.root", *masses, "-o", "h")
    files = [tmp_path / f"{name}.root" for name in ("scores", "scores_new", "jets", "jets_new", "h")]
    with_root("read", *files, tmp_path / "found.npz")
    with np.load(tmp_path / "found.npz") as stored:
        found = dict(stored)
    seen = dict.fromkeys(("TTree", "ROOT::RNTuple", "TObjString", "TH1D"), 0)
    for path in files:
        with uproot.open(path) as file:
            for name, kind in file.classnames(cycle=False).items():
                assert found[f"{path.name}:{name}:class"] == kind
                compare(found, f"{path.name}:{name}", file[name], kind)
                seen[kind] += 1
    assert seen == {"TTree": 3, "ROOT::RNTuple": 3, "TObjString": 5, "TH1D": 3}


def compare(found: dict[str, Any], place: str, item: Any, kind: str) -> None:
    """All columns, the text, or the numbers of a histogram."""
    if kind == "TObjString":
        assert found[place] == str(item)
        return
    if kind.startswith("TH1"):
        np.testing.assert_array_equal(found[f"{place}:values"], item.values(flow=True))
        np.testing.assert_allclose(found[f"{place}:errors"], item.errors(flow=True), rtol=1e-15)
        np.testing.assert_array_equal(found[f"{place}:edges"], item.axis().edges())
        return
    arrays = item.arrays(library="ak")
    for column in arrays.fields:
        values = found[f"{place}:{column}"]
        expected = ak.to_numpy(ak.flatten(arrays[column], axis=None))
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)
        if arrays[column].ndim == 2:
            assert found[f"{place}:len({column})"].tolist() == ak.num(arrays[column]).tolist()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_trees_and_rntuples_of_every_compression(compression: str, written: Path) -> None:
    fields, expected, _ = events(SOURCE)
    known, tree, whole = events(written / f"tree_{compression}.root")
    assert (known, whole) == (fields, "")
    assert ak.array_equal(tree, expected, equal_nan=True)
    without = {name: features for name, features in fields.items() if name != "taus"}  # the importer loses titles
    known, ntuple, whole = events(written / f"rntuple_{compression}.root")
    assert (known, whole) == (without, "")
    assert ak.array_equal(ntuple, ak.without_field(expected, "taus"), equal_nan=True)


def test_tiny_baskets(written: Path) -> None:
    fields, expected, _ = events(SOURCE)
    assert ak.array_equal(events(written / "tree_baskets.root", fields)[1], expected, equal_nan=True)


@pytest.mark.parametrize("kind", ["tree", "rntuple"])
def test_the_compression_of_old_is_named(kind: str, written: Path) -> None:
    with pytest.raises(InputDataError, match="compressed as ROOT does no longer; write it anew"):
        open_events(written / f"{kind}_old5.root")


def test_arrays_of_clones(written: Path) -> None:
    """Split, as Delphes has them; unsplit, they have no branches that could be read."""
    fields, found, whole = events(written / "clones_99.root")
    assert (set(fields), whole) == ({"jets", "electrons", "muons", "met"}, "")
    jets = [[100 - 10 * k + i for k in range(i % 4)] for i in range(60)]
    assert found.jets.pt.tolist() == jets
    assert found.jets.btag.tolist() == [[bool(k % 2) for k in range(i % 4)] for i in range(60)]
    assert found.electrons.pt.tolist() == [[30 + i] * (i % 2) for i in range(60)]
    assert found.met.pt.tolist() == [20 + i for i in range(60)]
    assert ak.num(found.muons).tolist() == [0] * 60
    with pytest.raises(InputDataError, match=r"no branch 'Jet\.PT', needed for jets"):
        events(written / "clones_0.root", {"jets": {"pt"}})


@pytest.mark.parametrize("basket", [64, 1000, 32000])
def test_numbers_of_every_type(basket: int, written: Path) -> None:
    """In baskets of a few entries, in clusters of seven, in one; `Float16_t` and `Double32_t`, cut and in steps."""
    table = TableFile(TablePath(written / f"numbers_{basket}.root"))
    scalars = {
        "bool": ROWS % 3 == 0,
        "int8": -ROWS,
        "uint8": 200 + ROWS,
        "int16": -800 * ROWS,
        "uint16": 1600 * ROWS,
        "int32": -5e7 * ROWS,
        "uint32": 1e8 * ROWS,
        "int64": -2e17 * ROWS,
        "uint64": 4e17 * ROWS,
        "float32": ROWS + 0.5,
        "float64": ROWS + 0.1,
        **dict.fromkeys(("f16", "f16q", "d32", "d32q"), ROWS + 0.5),
    }
    wanted = {"columns": set(scalars)}
    (found,) = table.iterate(wanted, step_size=40, stop=40)
    table.close()
    for name, expected in scalars.items():
        np.testing.assert_array_equal(found["columns"][name], expected, err_msg=name)


@pytest.mark.parametrize("split", [0, 99])
def test_lists_and_arrays(split: int, written: Path) -> None:
    with uproot.open(written / f"lists_{split}.root") as file:
        tree = LeanFile(file)["lists"]
        found = {name: tree[name].array().tolist() for name in tree.keys()}  # noqa: SIM118
    assert found == {
        "floats": [[i + 0.5] * (i % 4) for i in ROWS],
        "flags": [[bool(i % 2)] * (i % 3) for i in ROWS],
        "unsigneds": [[4_000_000_000 - i] * (i % 5) for i in ROWS],
        "doubles": [[i + 0.1] * (i % 2) for i in ROWS],
        "nested": [[[10 * i + j] * (j + 1) for j in range(i % 3)] for i in ROWS],
        "text": [chr(ord("a") + i % 26) * (i % 4) for i in ROWS],
        "three": [[i, 2 * i, 3 * i] for i in ROWS],
        "n": [i % 8 for i in ROWS],
        "counted": [[i + 100 * j for j in range(i % 8)] for i in ROWS],
    }


def test_histograms(written: Path) -> None:
    path = written / "histograms.root"
    for letter in "CSIFD":
        even, uneven = read_spectrum(f"{path}:even{letter}"), read_spectrum(f"{path}:uneven{letter}")
        assert (even.counts.tolist(), even.edges.tolist(), even.variances) == ([3, 6, 9, 12], [0, 1, 2, 3, 4], None)
        assert (uneven.counts.tolist(), uneven.edges.tolist()) == ([2, 4, 6, 8], [0, 1, 2, 4, 8])
    weighted = read_spectrum(f"{path}:weighted")
    assert weighted.counts.tolist() == [1.5, 0, 1.5, 0.25]
    assert weighted.variances is not None
    assert weighted.variances.tolist() == [4.25, 0, 2.25, 0.0625]
