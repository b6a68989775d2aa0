"""What is packed once has the bytes of what is packed each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from hepad.output import root_file
from hepad.output.root_file import _MOST, each_once, recreate


def test_equal_baskets_are_packed_once_and_stay_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=4000)
    pieces = [{"score": v, "again": v, "weight": np.ones(4000)} for v in (values, values[::-1])]

    def written(name: str) -> bytes:
        with recreate(tmp_path / name) as out:
            tree = out.mktree("Scores", {"score": "f8", "again": "f8", "weight": "f8"})
            for piece in pieces:
                tree.extend(piece)
        return (tmp_path / name).read_bytes()

    once = written("once.root")
    monkeypatch.setattr(root_file, "each_once", lambda pack: pack)
    assert written("each.root") == once
    assert "compress" not in vars(uproot.writing.writable.create.defaults["compression"]), "it is everybody's"


def test_only_what_is_new_is_packed_and_little_of_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_file, "_REMEMBERED", 5)
    packed: list[bytes] = []
    once = each_once(lambda data: packed.append(data) or data.upper())  # type: ignore[func-returns-value]
    given = [b"aa", b"bb", b"aa", b"ccc", b"aa", b"bb", b"dddddd", b"dddddd"]
    assert [once(data) for data in given] == [data.upper() for data in given]
    assert packed == [b"aa", b"bb", b"ccc", b"bb", b"dddddd", b"dddddd"]
    monkeypatch.setattr(root_file, "_REMEMBERED", 1000)
    packed.clear()
    small = [b"%d" % i for i in range(_MOST + 1)]
    assert [once(data) for data in [*small, small[-1], small[0]]] == [*small, small[-1], small[0]]
    assert packed == [*small, small[0]]  # the oldest of too many is forgotten


def test_what_is_packed_has_a_checksum_also_where_lz4_makes_nothing_smaller(tmp_path: Path) -> None:
    columns = {"score": np.random.default_rng(1).normal(size=4000).astype("f4"), "weight": np.ones(4000)}
    path = tmp_path / "scores.root"
    with recreate(path) as out:
        out.mktree("Scores", {"score": "f4", "weight": "f8"}).extend(columns)
    data = path.read_bytes()
    with uproot.open(path) as file:
        for name, magic in (("score", b"ZL\x08"), ("weight", b"L4\x01")):
            branch = file["Scores"][name]
            assert np.array_equal(branch.array(library="np"), columns[name])
            start = data.index(magic, branch.member("fBasketSeek")[0])
            place = start + branch.compressed_bytes // 2
            damaged = tmp_path / f"{name}.root"
            damaged.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with (
                uproot.open(damaged) as other,
                pytest.raises(Exception, match=r"checksum|data check|invalid|Decompression failed"),
            ):  # the last by libdeflate
                other["Scores"][name].array()
