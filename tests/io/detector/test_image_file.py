"""Files of detector images, against numpy's own reading of them."""

from __future__ import annotations

import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError
from hepad.inputs.base import make_input
from hepad.inputs.detector_image import DetectorImageCard
from hepad.io.detector import image_file
from hepad.io.reader import open_events, read_events

FIELDS = {"tracks": {"pt", "eta", "phi"}, "towers": {"pt", "eem", "ehad"}, "track_count": {"number"}}


def arrays(n: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    images = rng.exponential(5, (n, 72, 58, 3)) * (rng.random((n, 72, 58, 3)) < 0.03)
    counts = rng.integers(0, 300, (n, 1))
    images[n // 2] = 0  # an event in which nothing is seen
    return {"images": images.astype(np.float32), "n_tracks": counts.astype(np.float32), "labels": np.ones(n)}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    np.savez_compressed(tmp_path / "images.npz", **arrays())
    return tmp_path / "images.npz"


def read(path: Path, **how: Any) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], FIELDS, **how)])


def test_events_of_the_authors(data: Path) -> None:
    """Numbers as numpy gives them for the first three events of a file of the authors."""
    events = read(data / "codae_suep.npz")
    assert events.track_count.tolist() == [108, 112, 150]
    assert ak.num(events.tracks).tolist() == [96, 95, 134]
    assert ak.num(events.towers).tolist() == [147 + 41, 201 + 64, 167 + 68]
    np.testing.assert_allclose(ak.sum(events.tracks.pt, axis=1), [498.73071, 663.38159, 518.63367], rtol=1e-6)
    np.testing.assert_allclose(ak.sum(events.towers.pt, axis=1), [758.31777, 1069.73771, 897.24762], rtol=1e-6)
    leading = events.tracks[:, 0]  # in rows 7, 14, 71 of 5 degrees and columns 36, 49, 37 of 0.087
    assert leading.pt.tolist() == [126.203125, 107.421875, 32.9921875]
    np.testing.assert_allclose(np.degrees(leading.phi), [37.5, 72.5, -2.5], rtol=1e-5)
    np.testing.assert_allclose(leading.eta, [7.5 * 0.087, 20.5 * 0.087, 8.5 * 0.087], rtol=1e-6)


def test_labels_are_classes(data: Path, made: Path, tmp_path: Path) -> None:
    fields = {"track_count": {"number"}, "label": {"qcd", "suep"}}
    (chunk,) = read_events([data / "codae_suep.npz"], fields)
    assert ak.all(chunk.events.label.suep)
    assert not ak.any(chunk.events.label.qcd)
    with closing(open_events(made)) as file:
        assert file.labels == ("qcd", "suep", "svj")
    kind = make_input(DetectorImageCard(kind="detector_image", channels=["track"], classes=["svj", "suep"]))
    (chunk,) = read_events([made], kind.fields())
    assert kind(chunk.events).beside["label"].tolist() == [1] * 7
    other = make_input(DetectorImageCard(kind="detector_image", channels=["track"], classes=["qcd", "svj"]))
    (chunk,) = read_events([made], other.fields())
    with pytest.raises(InputDataError, match="none of qcd, svj"):
        other(chunk.events)
    rest = {name: values for name, values in arrays().items() if name != "labels"}
    np.savez_compressed(tmp_path / "unlabelled.npz", **rest)
    with closing(open_events(tmp_path / "unlabelled.npz")) as file:
        assert file.labels == ()
    with pytest.raises(InputDataError, match=r"has no label\.suep"):
        list(read_events([tmp_path / "unlabelled.npz"], kind.fields()))


def test_pieces_of_any_size_are_the_same_events(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(made)
    assert whole.index.tolist() == list(range(7))
    assert whole.weight.tolist() == [1.0] * 7
    assert (ak.num(whole.tracks)[3], ak.num(whole.towers)[3]) == (0, 0)
    monkeypatch.setattr(image_file, "_BLOCK", 2)
    source = open_events(made)
    assert source.entries == 7
    pieces = list(source.iterate(FIELDS, step_size=100, stop=100, start=3))
    assert [len(piece) for piece in pieces] == [2, 2]
    assert ak.concatenate(pieces).to_list() == whole[3:].to_list()
    only = next(source.iterate({"track_count": {"number"}}, step_size=3, stop=7))
    assert only.fields == ["track_count", "weight", "index"]
    assert only.track_count.to_list() == whole.track_count[:2].to_list()
    source.close()


def test_what_is_not_asked_for_need_not_be_there(tmp_path: Path) -> None:
    content = arrays()
    np.savez(tmp_path / "plain.npz", images=content["images"].astype(np.float64))
    source = open_events(tmp_path / "plain.npz")
    assert set(source.available()) == {"tracks", "towers"}
    (events,) = source.iterate({"tracks": {"pt"}}, step_size=100, stop=100)
    assert ak.num(events.tracks).to_list() == (content["images"][..., 0] > 0).sum(axis=(1, 2)).tolist()
    with pytest.raises(InputDataError, match=r"has no track_count\.number"):
        next(source.iterate(FIELDS, step_size=100, stop=100))
    source.close()
    assert source.format == "detector_images"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "no array 'images' .arrays in it: n_tracks, labels"),
        (
            {"images": np.zeros((7, 58, 72, 3), dtype=np.float32)},
            r"\(7, 58, 72, 3\); detector images have .*\(N, 72, 58, 3\)",
        ),
        ({"images": np.zeros((7, 72, 58, 3), dtype=np.int32)}, "int32"),
        ({"images": np.zeros((7, 72, 58, 3), dtype=np.float32, order="F")}, "Fortran"),
        ({"images": np.array(["a", {}], dtype=object)}, "images"),
        ({"n_tracks": np.zeros((6, 1))}, "'n_tracks' has 6 rows, 'images' 7"),
        ({"n_tracks": np.zeros((7, 2))}, r"\(N\) or \(N, 1\)"),
        ({"n_tracks": np.full(7, np.nan)}, "branch 'n_tracks' holds nan at entry 0"),
        (
            {"images": np.where(np.arange(7) == 4, np.nan, 0)[:, None, None, None] * np.ones((72, 58, 3))},
            "nan at entry 4",
        ),
        (
            {"images": np.where(np.arange(7) == 5, -1.5, 0)[:, None, None, None] * np.ones((72, 58, 3))},
            "-1.5 at entry 5",
        ),
    ],
)
def test_what_is_wrong_with_an_array_is_said(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content = {name: value for name, value in {**arrays(), **change}.items() if value is not None}
    np.savez_compressed(tmp_path / "bad.npz", **content)
    with pytest.raises(InputDataError, match=f"bad.npz.*{message}"):
        read(tmp_path / "bad.npz")


def test_a_file_that_is_cut_off_or_damaged_is_refused(made: Path, tmp_path: Path) -> None:
    whole, bad = made.read_bytes(), tmp_path / "bad.npz"
    for data in (whole[:100], whole[:-30], whole[:2000] + bytes(50) + whole[2050:]):
        bad.write_bytes(data)
        with pytest.raises(InputDataError, match=r"bad\.npz.*damaged or truncated"):
            read(bad)
    short = np.lib.format.header_data_from_array_1_0(np.zeros((9, 72, 58, 3), dtype=np.float32))
    with zipfile.ZipFile(bad, "w") as archive, archive.open("images.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, short)  # of a shape that the file has not
    with pytest.raises(InputDataError, match="'images' has 128 of 451136 bytes; copy"):
        read(bad)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred empty images are 10 MB when they are unpacked, ten a piece half of one."""
    np.savez_compressed(tmp_path / "long.npz", images=np.zeros((200, 72, 58, 3), dtype=np.float32))
    monkeypatch.setattr(image_file, "_BLOCK", 10)
    source = open_events(tmp_path / "long.npz")
    tracemalloc.start()
    events = sum(len(piece) for piece in source.iterate({"tracks": {"pt"}}, step_size=1000, stop=200, start=60))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    source.close()
    assert events == 140
    assert peak < 4e6


def test_an_image_comes_back_as_it_was(made: Path) -> None:
    """Bit for bit, in the layout's order: channel, eta, phi."""
    kind = make_input(DetectorImageCard(kind="detector_image", scale="none"))
    batches = [kind.raw(chunk.events) for chunk in read_events([made], kind.fields(), step_size=3)]
    content = arrays()
    found = np.concatenate([batch.x for batch in batches])
    np.testing.assert_array_equal(found, content["images"].transpose(0, 3, 2, 1))
    counts = np.concatenate([batch.beside["track_count"] for batch in batches])
    np.testing.assert_array_equal(counts, content["n_tracks"][:, 0])
