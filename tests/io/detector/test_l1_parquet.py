"""The folders of Parquet files of CMS's Level-1 set, with the same events as Level-1 NanoAOD."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError
from hepad.io.reader import expand_files, open_events

from ...level1_files import FIELDS, KINDS, nano, parquet, parquet_tables, read, same


@pytest.mark.usefixtures("replay_here")
def test_a_folder_of_parquet_is_one_sample(tmp_path: Path, run: Callable[..., Any]) -> None:
    fields = {name: features for name, features in FIELDS.items() if name != "towers"}
    expected = read([nano(tmp_path)], fields)
    whole, halves = parquet(tmp_path / "whole"), tmp_path / "halves"
    parquet(halves, parquet_tables(slice(0, 2)), "a.parquet")
    parquet(halves, parquet_tables(slice(2, 3)), "b.parquet")
    for step in (1, 2, 3):
        assert same(read([whole], fields, step_size=step), expected)
    assert open_events(*expand_files([str(whole)])).cuts({"jets": {"pt"}}) == [0, 2, 3]
    found = ak.with_field(read([halves], fields), [0, 1, 2], "index")
    assert same(found, expected)
    assert read([halves / "jets" / "b.parquet"], {"jets": {"hw_pt"}}).jets.hw_pt.tolist() == [[1]]
    assert [str(path) for path in expand_files([f"{halves}/*/a.parquet"])] == [f"{halves}/*/a.parquet"]
    assert read([whole], {"trigger": {"L1_AXO_Tight"}}).trigger["L1_AXO_Tight"].tolist() == [True, False, True]
    with pytest.raises(InputDataError, match="Level-1 Parquet files have no towers"):
        read([whole], {"towers": {"pt"}})
    shown = run("inspect", whole).stdout
    assert "l1_parquet, 3 entries" in shown
    assert "L1_AXO_Tight" in shown
    run("vectorize", whole, "--selection", "all_events", "-o", "v.npz")
    record = json.loads(str(np.load(tmp_path / "v.npz")["provenance"]))["provenance"]["inputs"]
    content = b"".join(path.read_bytes() for kind in KINDS for path in (whole / kind).glob("*"))
    run("replay", "v.npz", "--inputs", whole.parent)
    assert record == [{"name": "n1.parquet", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]


def test_folders_of_parquet_that_do_not_fit(tmp_path: Path, run: Callable[..., Any]) -> None:
    fields = {"jets": {"pt"}, "met": {"pt"}}
    short = parquet(tmp_path / "short", parquet_tables() | {"muons": parquet_tables(slice(0, 2))["muons"]})
    message = r"muons/n1\.parquet has 2 events and jets/n1\.parquet has 3"
    assert re.search(message, " ".join(run("inspect", short, code=4).stderr.split()))
    lacking = parquet(tmp_path / "lacking")
    (lacking / "MET" / "n1.parquet").rename(lacking / "MET" / "n2.parquet")
    with pytest.raises(InputDataError, match=r"MET has no n1\.parquet, which .*muons has"):
        read([lacking], fields)
    cases = [
        ({"MET": {"Et": ak.Array([[1], [], [2]]), "phi": ak.Array([[1], [1], [1]])}}, "0 sums of type 2 .met."),
        ({"MET": {"Et": ak.Array([[20.25], [1], [2]])}}, r"'MET\.Et' holds 20.25; it must hold whole numbers"),
        ({"jets": {"jetIEt": ak.Array([[1, None], [], []])}}, r"column 'jets\.jetIEt' lacks values"),
        ({"jets": {"jetIEt": ak.Array([["a"], [], []])}}, r"column 'jets\.jetIEt' must hold numbers"),
        ({"jets": {"jetEt": ak.Array([[1], [], []])}}, r"no branch 'jets\.jetIEt', needed for jets"),
    ]
    for number, (table, message) in enumerate(cases):
        path = parquet(tmp_path / str(number), parquet_tables() | table)
        with pytest.raises(InputDataError, match=message):
            read([path], fields)
    damaged = parquet(tmp_path / "damaged") / "jets" / "n1.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(InputDataError, match="damaged or truncated Parquet file"):
        read([damaged.parents[1]], fields)
    lone = tmp_path / "lone.parquet"
    lone.write_bytes((lacking / "jets" / "n1.parquet").read_bytes())
    with pytest.raises(InputDataError, match="a Parquet file in no folder of CMS's Level-1 set"):
        read([lone], fields)
