"""Files of calorimeter regions."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest

from hepad.cards.input import parse_input
from hepad.errors import InputDataError
from hepad.inputs.base import make_input
from hepad.io.reader import open_events, read_events

TOWERS = {"towers": {"pt", "eta", "phi"}}


def write(path: Path, regions: np.ndarray, **attributes: object) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("CaloRegions", data=regions, chunks=(min(4, len(regions)), *regions.shape[1:]))
        data.attrs.update(attributes)
    return path


def image(path: Path, **card: object) -> np.ndarray:
    """Of shape (n, 18, 14), as the file has it."""
    made = make_input(parse_input({"kind": "calo_regions", **card}, "a card"))
    batches = [made.raw(chunk.events).x for chunk in read_events([path], made.fields(), step_size=3)]
    return np.concatenate(batches)[:, 0].transpose(0, 2, 1)


@pytest.mark.parametrize("first_phi", [0, -10])
def test_an_image_is_what_the_file_holds(tmp_path: Path, first_phi: int) -> None:
    regions = np.random.default_rng(1).integers(0, 511, (7, 18, 14)).astype(np.uint16)
    regions[2] = 0  # an empty crossing
    regions[5, 3, 0] = 60000
    path = write(tmp_path / "regions.h5", regions)
    seen = image(path, first_phi=first_phi, round="regions", region_max=65535)
    # Where the trigger's own regions begin half a region earlier, the image is turned by one.
    np.testing.assert_array_equal(seen, regions if first_phi == 0 else np.roll(regions, 1, axis=1))
    assert image(path, first_phi=0)[5, 3, 0] == 511  # a tower of the trigger holds no more
    (events,) = (chunk.events for chunk in read_events([path], TOWERS))
    assert ak.num(events.towers)[2] == 0
    assert float(events.towers.pt[5, 0]) == 30000.0
    assert float(events.towers.eta[5, 0]) == pytest.approx(-2.586)
    assert float(events.towers.phi[5, 0]) == pytest.approx(np.radians(72.5))
    with closing(open_events(path)) as source:
        assert source.format == "calo_regions"
        assert source.cuts({}) == [4]


def test_the_unit_is_that_of_the_file(tmp_path: Path) -> None:
    regions = np.full((1, 18, 14), 3, dtype=np.uint16)
    assert image(write(tmp_path / "gev.h5", regions, unit_GeV=1.0)).tolist() == (2 * regions).tolist()
    for unit, reason in ((-1.0, "not a positive number"), ("GeV", "is no number")):
        with pytest.raises(InputDataError, match=rf"bad\.h5.*unit_GeV.*{reason}"):
            open_events(write(tmp_path / "bad.h5", regions, unit_GeV=unit))


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    good = np.ones((5, 18, 14))
    for place, value in ((3, np.nan), (4, -1.0)):
        bad = good.copy()
        bad[place, 1, 2] = value
        with pytest.raises(InputDataError, match=rf"bad\.h5.*'CaloRegions' holds {value}.* at entry {place}"):
            image(write(tmp_path / "bad.h5", bad))
    with pytest.raises(InputDataError, match=r"shape \(5, 14, 18\); a file of calorimeter regions has \(N, 18, 14\)"):
        open_events(write(tmp_path / "turned.h5", good.transpose(0, 2, 1)))
    with pytest.raises(InputDataError, match=r"has no jets\.pt, towers\.eem"):
        list(read_events([write(tmp_path / "good.h5", good)], {"jets": {"pt"}, "towers": {"pt", "eem"}}))


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs the simulated Level-1 sample")
def test_regions_of_simulated_towers_are_those_of_the_file() -> None:
    """100 simulated crossings that are there both as towers and as regions: the images are the same, bit for bit."""
    folder = Path(os.environ["HEPAD_TEST_DATA"]) / "l1_zerobias"
    card = {"round": "regions", "first_phi": 0, "region_max": 65535}
    of_towers, of_regions = (
        image(folder / name, **card) for name in ("zero_bias_towers.root", "zero_bias_towers_calo_regions.h5")
    )
    assert of_towers.shape == (100, 18, 14)
    np.testing.assert_array_equal(of_towers, of_regions)
