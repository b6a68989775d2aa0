"""HepMC2 and HepMC3: the same three events in both, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError, MissingExtraError
from hepad.io.hepmc import HepmcFile
from hepad.io.reader import open_events

NAMES = ("ttbar_hepmc2.hepmc.gz", "ttbar_hepmc3.hepmc.gz")
FIELDS = {"jets": {"pt", "eta", "phi", "mass", "btag"}, "muons": {"pt"}, "met": {"pt", "phi"}, "taus": {"pt"}}


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, data: Path) -> Path:
    return data / request.param


def test_entries_are_counted(path: Path) -> None:
    file = open_events(path)
    assert (file.format, file.entries) == ("hepmc", 3)


def test_what_a_file_says(path: Path) -> None:
    pytest.importorskip("pyhepmc")
    sample = open_events(path).sample()
    assert sample.cross_section_pb == 5.27  # of the last event; the first has 5.25
    assert sample.sqrt_s_gev == pytest.approx(1960, rel=1e-6)


def test_energy_and_momentum_are_conserved(path: Path) -> None:
    pytest.importorskip("pyhepmc")
    file = open_events(path)
    assert isinstance(file, HepmcFile)
    particles, weights = next(file.blocks(3))
    assert weights.tolist() == [2.0, 2.0, 2.0]
    event = particles.event[particles.final]
    for column, expected in (("px", 0), ("py", 0), ("pz", 0), ("e", 1960)):
        total = np.bincount(event, weights=getattr(particles, column)[particles.final])
        assert total == pytest.approx(np.full(3, expected), abs=0.01)
    assert (particles.mother < np.repeat(particles.offsets[1:], np.diff(particles.offsets))).all()


def test_both_formats_give_the_same_objects(data: Path) -> None:
    pytest.importorskip("pyhepmc")
    pytest.importorskip("fastjet")
    two, three = (ak.concatenate(list(open_events(data / n).iterate(FIELDS, step_size=2, stop=3))) for n in NAMES)
    for name, features in FIELDS.items():
        for feature in features:
            assert ak.all(ak.isclose(two[name][feature], three[name][feature], atol=1e-4)), (name, feature)
    assert ak.all(ak.num(two.jets) >= 2)
    assert two.index.to_list() == [0, 1, 2]


def test_momenta_in_mev(data: Path, tmp_path: Path) -> None:
    pyhepmc = pytest.importorskip("pyhepmc")
    with pyhepmc.open(data / NAMES[1]) as source, pyhepmc.open(tmp_path / "mev.hepmc", "w") as target:
        for event in source:
            event.set_units(pyhepmc.Units.MomentumUnit.MEV, pyhepmc.Units.LengthUnit.MM)
            target.write(event)
    assert open_events(tmp_path / "mev.hepmc").sample().sqrt_s_gev == pytest.approx(1960, rel=1e-6)


def test_truncated(path: Path, tmp_path: Path) -> None:
    text = gzip.decompress(path.read_bytes())
    (tmp_path / "cut.hepmc").write_bytes(text[: len(text) // 2])
    with pytest.raises(InputDataError, match=r"cut\.hepmc: truncated after event 2"):
        open_events(tmp_path / "cut.hepmc")
    (tmp_path / "cut.gz").write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(InputDataError, match=r"cut\.gz: damaged or truncated"):
        open_events(tmp_path / "cut.gz")


def test_a_damaged_event_is_named(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyhepmc")
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    last = max(number for number, line in enumerate(lines) if line.startswith(b"E "))
    del lines[last + 20 : last + 200]
    (tmp_path / "bad.hepmc").write_bytes(b"\n".join(lines))
    with pytest.raises(InputDataError, match=r"bad\.hepmc: event 2 is damaged"):
        list(open_events(tmp_path / "bad.hepmc").iterate({"met": {"pt"}}, step_size=10, stop=3))


@pytest.mark.parametrize(("line", "field", "name"), [("W", 1, "weights"), ("P", 4, "px")])
def test_what_is_no_number(line: str, field: int, name: str, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyhepmc")
    lines = gzip.decompress((data / NAMES[1]).read_bytes()).decode().split("\n")
    second = next(number for number, text in enumerate(lines) if text.startswith("E 1 "))
    place = next(number for number in range(second, len(lines)) if lines[number].startswith(f"{line} "))
    words = lines[place].split(" ")
    words[field] = "nan"
    lines[place] = " ".join(words)
    (tmp_path / "nan.hepmc").write_text("\n".join(lines))
    with pytest.raises(InputDataError, match=f"'{name}' holds nan at entry 1"):
        list(open_events(tmp_path / "nan.hepmc").iterate({"met": {"pt"}}, step_size=10, stop=3))


def test_another_hepmc(tmp_path: Path) -> None:
    (tmp_path / "old.hepmc").write_text("\nHepMC::Version 2.06\nHepMC::IO_Ascii-START_EVENT_LISTING\n")
    with pytest.raises(InputDataError, match="neither HepMC2 nor HepMC3"):
        open_events(tmp_path / "old.hepmc")


def test_without_pyhepmc(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyhepmc", None)
    with pytest.raises(MissingExtraError, match=r"hepad\[particles\]") as caught:
        next(open_events(path).iterate({"met": {"pt"}}, step_size=10, stop=3))
    assert caught.value.exit_code == 5
