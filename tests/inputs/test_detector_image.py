"""Images of tracks and calorimeters, against numpy's histograms and sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.inputs.base import make_input
from hepad.inputs.detector_image import DetectorImageCard
from hepad.io.memory import events_from
from hepad.io.reader import open_events, read_events

PI = np.pi


def image(events: ak.Array, **card: Any) -> np.ndarray:
    kind = make_input(DetectorImageCard(**{"kind": "detector_image", "scale": "none", **card}))
    return np.asarray(kind(events).x)


def events_of(eta: np.ndarray, phi: np.ndarray, pt: np.ndarray) -> ak.Array:
    """Events of as many tracks each, and towers of the same momenta, of which a third is electromagnetic."""
    energy = pt * np.cosh(eta)
    parts = {"pt": pt, "eta": eta, "phi": phi, "eem": energy / 3, "ehad": energy * 2 / 3}
    arrays = {f"towers.{name}": ak.from_regular(ak.Array(values)) for name, values in parts.items()}
    arrays |= {f"tracks.{name}": ak.from_regular(ak.Array(parts[name])) for name in ("pt", "eta", "phi")}
    arrays |= {"track_count": np.full(len(pt), 5), "met.pt": np.zeros(len(pt)), "weight": np.ones(len(pt))}
    return events_from(arrays, {"tracks": {"pt", "eta", "phi"}, "towers": set(parts), "track_count": {"number"}})


def random_events(n: int = 20, tracks: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    shape = (n, tracks)
    return rng.uniform(-2.7, 2.7, shape), rng.uniform(-PI, PI, shape), rng.exponential(3, shape)


def test_pixels_are_the_papers_sums_of_five_by_five_bins() -> None:
    """Its algorithm 1: 286 x 360 bins, summed 5 x 5 with padding on both sides, as TensorFlow's `SAME` does."""
    eta, phi, pt = random_events()
    found = image(events_of(eta, phi, pt))
    assert found.shape == (20, 3, 58, 72)
    edges = (np.linspace(-2.4882, 2.4882, 287), np.linspace(0, 2 * PI, 361))
    for event in range(20):
        fine = np.histogram2d(eta[event], phi[event] % (2 * PI), bins=edges, weights=pt[event])[0]
        coarse = np.pad(fine, ((2, 2), (0, 0))).reshape(58, 5, 72, 5).sum(axis=(1, 3))
        for channel, share in enumerate((1, 1 / 3, 2 / 3)):
            np.testing.assert_allclose(found[event, channel], share * coarse, rtol=1e-5, atol=1e-6)


def test_turning_an_event_rolls_its_image() -> None:
    """By any number of pixels, exactly; turned there and back it is itself."""
    rng = np.random.default_rng(2)
    degrees = rng.integers(0, 360, (20, 50)) + 0.5
    eta, pt = rng.uniform(-2.4, 2.4, (20, 50)), rng.integers(1, 100, (20, 50)).astype(float)
    still = image(events_of(eta, np.radians(degrees), pt))
    for pixels in (8, 16, 24, 71, -8):
        turned = image(events_of(eta, np.radians(degrees + 5 * pixels), pt))
        np.testing.assert_array_equal(turned, np.roll(still, pixels, axis=3))
    mirrored = image(events_of(-eta, np.radians(degrees), pt))
    np.testing.assert_array_equal(mirrored, still[:, :, ::-1])
    assert still.sum() == pytest.approx(2 * pt.sum())


def test_scales_keep_empty_pixels_empty() -> None:
    events = events_of(*random_events(3))
    none, log, mask = (image(events, scale=scale, channels=("track",)) for scale in ("none", "log1p", "mask"))
    np.testing.assert_allclose(log, np.log(1 + none.astype(float)), rtol=1e-6)
    np.testing.assert_array_equal(mask, none > 0)
    np.testing.assert_array_equal(log > 0, none > 0)
    assert 0 < mask.mean() < 0.05
    assert mask.dtype == np.float32


def test_a_channel_asks_for_no_more_than_it_needs() -> None:
    card = DetectorImageCard(kind="detector_image", channels=("hcal",))
    assert make_input(card).fields() == {"track_count": {"number"}, "towers": {"pt", "eta", "phi", "ehad"}}
    tracks = make_input(DetectorImageCard(kind="detector_image", channels=("track",)))
    assert tracks.fields() == {"track_count": {"number"}, "tracks": {"pt", "eta", "phi"}}
    batch = tracks(events_of(*random_events(3)))
    assert batch.beside["track_count"].tolist() == [5, 5, 5]
    assert tracks.table_names[0, 57, 71] == "track[57,71]"
    with pytest.raises(ValueError, match="multiple of sum"):
        DetectorImageCard(kind="detector_image", sum=7)
    with pytest.raises(ValueError, match="each once"):
        DetectorImageCard(kind="detector_image", channels=("ecal", "ecal"))


def test_tracks_and_towers_of_delphes(tmp_path: Path) -> None:
    """The branch `Track`, or `EFlowTrack` where a selection says so; how many there are is counted beyond the bins."""
    eta, phi, pt = random_events(4, 30)
    energy = pt * np.cosh(eta)
    tower = {"ET": pt, "Eta": eta, "Phi": phi, "Eem": energy * 0.25, "Ehad": energy * 0.75}
    track = {"PT": pt, "Eta": eta, "Phi": phi}
    content = {f"Tower.{name}": ak.Array(values) for name, values in tower.items()}
    content |= {f"Track.{name}": ak.Array(values) for name, values in track.items()}
    content |= {f"EFlowTrack.{name}": ak.Array(values[:, :10]) for name, values in track.items()}
    with uproot.recreate(tmp_path / "delphes.root") as file:
        file.mktree("Delphes", dict.fromkeys(content, "var * float64")).extend(
            {name: ak.from_regular(values) for name, values in content.items()}
        )
    kind = make_input(DetectorImageCard(kind="detector_image", scale="none"))
    (chunk,) = read_events([tmp_path / "delphes.root"], kind.fields())
    found = kind.raw(chunk.events)
    expected = image(events_of(eta, phi, pt))
    np.testing.assert_allclose(found.x[:, 0], expected[:, 0], rtol=1e-6)
    np.testing.assert_allclose(found.x[:, 1], expected[:, 0] * 0.25, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.x[:, 2], expected[:, 0] * 0.75, rtol=1e-6, atol=1e-7)
    assert found.beside["track_count"].tolist() == [30] * 4
    fields = {**kind.fields(), "sources": {"tracks=EFlowTrack"}}
    (chunk,) = read_events([tmp_path / "delphes.root"], fields)
    chosen = kind.raw(chunk.events)
    np.testing.assert_allclose(chosen.x[:, 0], image(events_of(eta[:, :10], phi[:, :10], pt[:, :10]))[:, 0], rtol=1e-6)
    assert chosen.beside["track_count"].tolist() == [10] * 4
    source = open_events(tmp_path / "delphes.root")
    assert source.available().items() >= {"tracks": {"pt", "eta", "phi"}, "track_count": {"number"}}.items()
    source.close()


def test_a_file_without_tracks_says_which_branch_there_is(tmp_path: Path, data: Path) -> None:
    with uproot.recreate(tmp_path / "flow.root") as file:
        file.mktree("Delphes", {"EFlowTrack.PT": "var * float64"}).extend({"EFlowTrack.PT": ak.Array([[1.0], []])})
    kind = make_input(DetectorImageCard(kind="detector_image", channels=("track",)))
    with pytest.raises(InputDataError, match=r"'Track.PT'.*collections: \{tracks: EFlowTrack\}"):
        next(read_events([tmp_path / "flow.root"], kind.fields()))
    with pytest.raises(InputDataError, match=r"no branch 'Track\.PT'"):
        next(read_events([data / "towers.root"], kind.fields()))
