"""Les Houches files: what is parsed, what the shower makes of it, and what is refused."""

from __future__ import annotations

import bz2
import ctypes
import gzip
import itertools
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError, MissingExtraError
from hepad.io.generator.lhe import LheEvent, LheFile, _ColourFlow, _light_partons, read_events, read_header
from hepad.io.reader import open_events
from hepad.pipeline.inspect import inspect_file
from hepad.pipeline.vectorize import VectorizeOptions, vectorize

FILES = {"ttbar.lhe.gz": (40, 5.4803624, 1960.0), "z_mlm.lhe.gz": (60, 3750.836, 7000.0)}
FILES["powheg_w.lhe.gz"] = (20, 4958.79, 8000.0)
FIELDS = {"jets": {"pt", "eta", "phi", "mass", "btag"}, "electrons": {"pt", "eta", "phi", "mass"}}
FIELDS |= {"muons": {"pt", "eta", "phi", "mass"}, "met": {"pt", "phi"}}


def plain(path: Path, target: Path) -> Path:
    target.write_bytes(gzip.decompress(path.read_bytes()))
    return target


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_says(name: str, data: Path) -> None:
    file = open_events(data / name)
    entries, cross_section, energy = FILES[name]
    assert (file.format, file.entries) == ("lhe", entries)
    assert file.sample().cross_section_pb == pytest.approx(cross_section, rel=1e-6)
    assert file.sample().sqrt_s_gev == pytest.approx(energy)


@pytest.mark.parametrize("name", FILES)
def test_the_parser_agrees_with_pylhe(name: str, data: Path) -> None:
    pylhe = pytest.importorskip("pylhe")
    theirs = pylhe.LHEFile.fromfile(str(data / name))
    header, ours = read_header(data / name), list(read_events(data / name))
    assert header.beams[0] == (theirs.init.initInfo.beamA, theirs.init.initInfo.energyA)
    for mine, other in zip(ours, theirs.events, strict=True):
        assert (mine.process, mine.weight, mine.scale) == (
            other.eventinfo.pid,
            other.eventinfo.weight,
            other.eventinfo.scale,
        )
        assert [p[0] for p in mine.particles] == [p.id for p in other.particles]
        assert [p[9] for p in mine.particles] == [p.e for p in other.particles]


def test_matching_and_powheg_are_told_by_the_header(data: Path) -> None:
    matching = LheFile(data / "z_mlm.lhe.gz").matching
    assert matching is not None
    assert (matching.q_cut, matching.flavours, matching.partons) == (15.0, 4, 2)
    assert LheFile(data / "ttbar.lhe.gz").matching is None
    assert read_header(data / "powheg_w.lhe.gz").powheg
    assert not read_header(data / "ttbar.lhe.gz").powheg


@pytest.mark.parametrize(
    ("events", "missing"),
    [
        ([[(2, 0, 0), (11, 0, 0)]], True),
        ([[(-6, 0, 0)], [(21, 0, 0)]], True),
        ([[(21, 0, 0)], [(1, 501, 0)]], False),
        ([[(21, 0, 502)]], False),
        ([[(11, 0, 0), (-11, 0, 0), (22, 0, 0)], [(23, 0, 0)]], False),
        ([], False),
    ],
)
def test_a_colour_flow_is_missing_where_partons_have_no_colour(
    events: list[list[tuple[int, int, int]]], missing: bool
) -> None:
    """Identity and the two colours of each particle; electrons, photons and Z bosons need none."""
    flow = _ColourFlow()
    for rows in events:
        particles = [(pdg, 1, 0, 0, colour, anti, 0.0, 0.0, 0.0, 1.0) for pdg, colour, anti in rows]
        flow.see(SimpleNamespace(particles=particles))  # type: ignore[arg-type]
    assert flow.missing is missing


def test_partons_of_the_beams_are_matched_those_of_decays_are_not() -> None:
    """Identity, status and mothers of each particle; a u, a gluon and a d of the beams are light and final."""
    rows = [(2, -1, 0, 0), (21, -1, 0, 0)]  # the beams' own
    rows += [(24, 2, 1, 2), (1, 1, 3, 3), (-2, 1, 3, 3)]  # a W boson and its decay
    rows += [(2, 1, 1, 2), (21, 1, 1, 2), (-1, 1, 1, 0), (5, 1, 1, 2), (22, 1, 1, 2), (3, 2, 1, 2)]
    event = LheEvent(1, 1.0, 91.2, 0.118, tuple((*row, 0, 0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 9.0) for row in rows))
    assert _light_partons(event, 4) == 3
    assert _light_partons(event, 5) == 4


def test_compression_is_told_by_content(data: Path, tmp_path: Path) -> None:
    file = plain(data / "ttbar.lhe.gz", tmp_path / "events.txt")
    (tmp_path / "events.dat").write_bytes(bz2.compress(file.read_bytes()))
    assert open_events(file).entries == open_events(tmp_path / "events.dat").entries == 40


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.97])
def test_truncated(fraction: float, data: Path, tmp_path: Path) -> None:
    text = gzip.decompress((data / "ttbar.lhe.gz").read_bytes())
    (tmp_path / "cut.lhe").write_bytes(text[: int(len(text) * fraction)])
    with pytest.raises(InputDataError, match=r"cut\.lhe: .*(truncated|damaged)"):
        open_events(tmp_path / "cut.lhe")


@pytest.mark.parametrize("fraction", [0.5, 0.99])
def test_truncated_compressed_file(fraction: float, data: Path, tmp_path: Path) -> None:
    whole = (data / "z_mlm.lhe.gz").read_bytes()
    (tmp_path / "cut.lhe.gz").write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(InputDataError, match=r"cut\.lhe\.gz: .*truncated"):
        open_events(tmp_path / "cut.lhe.gz")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("5.220106E+00  5.384128E-01", "pb", "<init> is missing or damaged"),
        ("9.800000E+02  9.800000E+02", "0.0  0.0", "no beam energies"),
        ("<init>", "<other>", "<init> is missing or damaged"),
        ("8.9115695965E+00", "nan", "event 0 is truncated or damaged"),
        ("3.3629095553E+01", "x", "event 0 is truncated or damaged"),
        ("1.000000E+00  1.733125E+02", "inf  1.733125E+02", "event 0 has the weight inf"),
        ("    12    81  1.0", "    13    81  1.0", "event 0 is truncated or damaged"),
    ],
)
def test_damage_is_named(old: str, new: str, words: str, data: Path, tmp_path: Path) -> None:
    text = gzip.decompress((data / "ttbar.lhe.gz").read_bytes()).decode()
    assert old in text
    (tmp_path / "bad.lhe").write_text(text.replace(old, new, 1))
    with pytest.raises(InputDataError, match=r"bad\.lhe") as caught:
        open_events(tmp_path / "bad.lhe")
    assert words in str(caught.value)


def test_compressed_garbage(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"shopping list"))
    (tmp_path / "y.gz").write_bytes(b"\x1f\x8b not gzip")
    for name in ("x.gz", "y.gz"):
        with pytest.raises(InputDataError, match="neither a ROOT nor an HDF5 file, nor LHE or HepMC"):
            open_events(tmp_path / name)


def test_a_property_that_particle_level_has_not(data: Path) -> None:
    with pytest.raises(InputDataError, match=r"no fatjets\.btag"):
        next(open_events(data / "ttbar.lhe.gz").iterate({"fatjets": {"btag"}}, step_size=10, stop=10))


def test_without_pythia(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pythia8mc", None)
    with pytest.raises(MissingExtraError, match=r"hepad\[particles\]") as caught:
        next(open_events(data / "ttbar.lhe.gz").iterate({"jets": {"pt"}}, step_size=10, stop=10))
    assert caught.value.exit_code == 5


SLHA = """<slha>
BLOCK QNUMBERS 9000005
 1 0
 2 2
 3 1
 4 0
BLOCK QNUMBERS 9000006
 1 0
 2 3
 3 1
 4 0
BLOCK MASS
 1000021 1000.0
 1000022 200.0
 9000005 300.0
 9000006 900.0
DECAY 1000021 1.0
  1.0 3 1000022 5 -5
DECAY 1000022 0.0
DECAY 9000005 0.0
DECAY 9000006 2.0
 1.0 2 9000005 9000005
</slha>
"""


def new_particles(path: Path, slha: str = SLHA) -> Path:
    """A file of our own: two pairs of gluinos, then two pairs of a mediator that no generator knows by itself."""

    def event(second: str, pdg: int, mass: float, colours: tuple[str, str]) -> str:
        p = (1600**2 - mass**2) ** 0.5
        rows = ["21 -1 0 0 501 502 0 0 1600 1600 0 0 9", f"21 -1 0 0 {second} 0 0 -1600 1600 0 0 9"]
        rows += [f"{pdg} 1 1 2 {c} {s * p} 0 0 1600 {mass} 0 9" for s, c in zip((1, -1), colours, strict=True)]
        return "\n".join(["<event>", "4 1 1.0 500. 0.0078 0.1", *rows, "</event>\n"])

    gluinos = event("502 503", 1000021, 1000.0, ("501 504", "504 503"))
    mediators = event("502 501", 9000006, 900.0, ("0 0", "0 0"))
    path.write_text(
        f"<LesHouchesEvents version='1.0'>\n<header>\n{slha}</header>\n<init>\n2212 2212 6500 6500 0 0 0 0 3 1\n"
        f"1.5 0.1 1.0 1\n</init>\n{gluinos * 2}{mediators * 2}</LesHouchesEvents>\n"
    )
    return path


class TestShower:
    """What needs Pythia and fastjet."""

    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("pythia8mc")
        pytest.importorskip("fastjet")

    def test_energy_and_momentum_are_conserved(self, data: Path) -> None:
        for name, energy in (("ttbar.lhe.gz", 1960.0), ("powheg_w.lhe.gz", 8000.0)):
            file = LheFile(data / name)
            particles, weights = next(file.blocks(10))
            assert len(particles) == len(weights) == 10
            event = particles.event[particles.final]
            for column, expected in (("px", 0), ("py", 0), ("pz", 0), ("e", energy)):
                total = np.bincount(event, weights=getattr(particles, column)[particles.final])
                assert total == pytest.approx(np.full(10, expected), abs=1e-3 * energy / 1000)
            assert file.rejected == 0

    def test_the_same_events_whatever_the_step(self, data: Path) -> None:
        file = open_events(data / "ttbar.lhe.gz")
        once = ak.concatenate(list(file.iterate(FIELDS, step_size=100, stop=20)))
        steps = list(open_events(data / "ttbar.lhe.gz").iterate(FIELDS, step_size=7, stop=20))
        assert [len(step) for step in steps] == [7, 7, 6]
        again = ak.concatenate(steps)
        for name, features in FIELDS.items():
            for feature in features:
                assert ak.array_equal(once[name][feature], again[name][feature]), (name, feature)
        assert once.index.to_list() == again.index.to_list() == list(range(20))
        assert ak.all(once.weight == 1)

    def test_missing_momentum_is_that_of_the_neutrinos(self, data: Path) -> None:
        events = next(open_events(data / "ttbar.lhe.gz").iterate(FIELDS, step_size=10, stop=10))
        p, _ = next(LheFile(data / "ttbar.lhe.gz").blocks(10))
        neutrino = p.final & np.isin(abs(p.pdg), (12, 14, 16))
        x, y = (np.bincount(p.event[neutrino], weights=c[neutrino], minlength=10) for c in (p.px, p.py))
        assert ak.to_numpy(events.met.pt) == pytest.approx(np.hypot(x, y))

    def test_the_w_boson(self, data: Path) -> None:
        file = open_events(data / "powheg_w.lhe.gz")
        events = next(file.iterate(FIELDS, step_size=100, stop=20))
        truth = [e.particles for e in read_events(data / "powheg_w.lhe.gz")]
        pt = np.array([next(np.hypot(p[6], p[7]) for p in event if p[0] == 11) for event in truth])
        one = ak.num(events.electrons) == 1
        found = events[one]
        assert 8 <= len(found) <= 20
        # The shower gives the boson another kick, but the electron stays near its pT at the matrix element.
        assert np.median(abs(ak.to_numpy(found.electrons.pt[:, 0]) - pt[ak.to_numpy(one)])) < 5
        transverse = ak.to_numpy(
            np.sqrt(
                2 * found.electrons.pt[:, 0] * found.met.pt * (1 - np.cos(found.electrons.phi[:, 0] - found.met.phi))
            )
        )
        boson = np.array([next(p[10] for p in event if p[0] == -24) for event in truth])
        assert (transverse < boson[ak.to_numpy(one)] + 1).all()
        assert (transverse > 60).sum() >= 4  # the Jacobian peak
        assert file.sample().notes[1].startswith("POWHEG")

    def test_the_z_boson_after_matching(self, data: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = LheFile(data / "z_mlm.lhe.gz")
        events = ak.concatenate(list(file.iterate(FIELDS, step_size=25, stop=60)))
        assert len(events) == 60
        empty = (ak.num(events.jets) == 0) & (events.met.pt == 0) & (ak.num(events.electrons) == 0)
        # About half of the whole file passes the matching.
        assert 15 <= file.rejected <= 45
        assert f"{file.rejected} of 60 events" in caplog.text
        assert f"{file.rejected} of 60 events" in file.sample().notes[-1]
        assert ak.sum(empty) >= file.rejected
        assert ak.all(events.weight > 0)
        truth = [e.particles[2:] for e in read_events(data / "z_mlm.lhe.gz")]
        masses = []
        for event, partons in zip(events, truth, strict=True):
            for name, number in (("electrons", 11), ("muons", 13)):
                if len(event[name]) == 2:
                    assert any(abs(p[0]) == number for p in partons)  # the entries are in step with the file
                    px, py, pz, e = (
                        float(ak.sum(c))
                        for c in (
                            event[name].pt * np.cos(event[name].phi),
                            event[name].pt * np.sin(event[name].phi),
                            event[name].pt * np.sinh(event[name].eta),
                            event[name].pt * np.cosh(event[name].eta),
                        )
                    )
                    masses.append(np.sqrt(e**2 - px**2 - py**2 - pz**2))
        assert len(masses) >= 8
        assert 88 < np.median(masses) < 93

    def test_new_particles_decay_as_the_header_says(self, tmp_path: Path) -> None:
        file = LheFile(new_particles(tmp_path / "bsm.lhe"))
        particles, _ = next(file.blocks(4))
        assert file.rejected == 0
        heavy = abs(particles.pdg) * (particles.final & (abs(particles.pdg) > 1_000_000))
        found = [sorted(n for n in heavy[a:b].tolist() if n) for a, b in itertools.pairwise(particles.offsets)]
        assert found == [[1000022] * 2] * 2 + [[9000005] * 4] * 2
        events = next(file.iterate(FIELDS, step_size=4, stop=4))
        dark = np.isin(abs(particles.pdg), (12, 14, 16, 1000022, 9000005)) & particles.final
        x, y = (np.bincount(particles.event[dark], weights=c[dark]) for c in (particles.px, particles.py))
        assert ak.to_numpy(events.met.pt) == pytest.approx(np.hypot(x, y))
        assert ak.all(ak.num(events.jets[:2]) >= 4)

    def test_a_particle_that_pythia_does_not_know(self, tmp_path: Path) -> None:
        file = LheFile(new_particles(tmp_path / "bsm.lhe", slha=""))
        with pytest.raises(InputDataError, match=r"bsm\.lhe: .* particle 9000006 of event 2; .*QNUMBERS"):
            next(file.blocks(4))

    def test_the_standard_output_is_for_results(self, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
        report = inspect_file(data / "z_mlm.lhe.gz")
        ctypes.CDLL(None).fflush(None)
        assert capfd.readouterr().out == ""  # neither Pythia nor FastJet writes there
        assert (report.format, report.entries) == ("lhe", 60)
        assert not any(report.selections[name] for name in ("adc2021", "dijet_fat", "lepton_jets"))
        assert 0.1 < report.objects["jets"].mean_count < 1

    def test_vectorize(self, data: Path, tmp_path: Path) -> None:
        options = VectorizeOptions(max_events=20)
        report = vectorize([str(data / "ttbar.lhe.gz")], tmp_path / "x.npz", options=options)
        assert report.cutflow.total.events == 20
        with np.load(tmp_path / "x.npz") as found:
            assert found["x"].shape == (report.cutflow.selected.events, 19)
