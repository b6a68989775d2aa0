"""HepMC2 and HepMC3: the same three events in both, and what is refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepad.errors import InputDataError, MissingExtraError
from hepad.io.generator import hepmc
from hepad.io.generator.hepmc import HepmcFile, _Event, _join, _made, _mothers
from hepad.io.reader import open_events

NAMES = ("ttbar_hepmc2.hepmc.gz", "ttbar_hepmc3.hepmc.gz")
FIELDS = {"jets": {"pt", "eta", "phi", "mass", "btag"}, "muons": {"pt"}, "met": {"pt", "phi"}, "taus": {"pt"}}


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, data: Path) -> Path:
    return data / request.param


def test_mothers_are_the_first_to_go_into_a_vertex() -> None:
    """1 and 2 meet in the first vertex, which 3 and 4 leave; 4 goes into the second, which 5 leaves; 6 is alone."""
    links = np.array([(1, -1), (2, -1), (-1, 3), (-1, 4), (4, -2), (-2, 5)])
    assert _mothers(6, 2, *links.T).tolist() == [-1, -1, 0, 0, 3, -1]


def test_particles_are_made_at_their_vertex_from_the_first_one() -> None:
    """The links of the test above; a third vertex, which 5 leaves again in the record of another, says no place."""
    links = np.array([(1, -1), (2, -1), (-1, 3), (-1, 4), (4, -2), (-2, 5), (5, -3), (-3, 6)])
    vertices = np.array([(1, 2, 3), (1, 2.5, 5), (0, 0, 0)], dtype=[(name, float) for name in "xyz"])
    made = _made(6, vertices, *links.T)
    assert made.T.tolist() == [[0, 0, 0]] * 4 + [[0, 0.5, 2]] + [[0, 0, 0]]


def test_events_are_joined_and_who_has_no_mother_keeps_none() -> None:
    types = [("pid", int), ("status", int), *((name, float) for name in ("px", "py", "pz", "e"))]
    first, second = (np.zeros(n, dtype=types) for n in (3, 2))
    first["pid"], second["pid"] = (2212, 2212, 21), (11, 22)
    first["status"], second["status"], second["e"] = (4, 4, 1), (1, 2), (5.0, 7.0)
    made = np.arange(15.0).reshape(3, 5)
    events = [
        _Event(first, np.array([-1, -1, 1]), made[:, :3], None),
        _Event(second, np.array([-1, 0]), made[:, 3:], 2.5),
    ]
    particles, weights = _join(events)
    assert particles.offsets.tolist() == [0, 3, 5]
    assert particles.pdg.tolist() == [2212, 2212, 21, 11, 22]
    assert particles.mother.tolist() == [-1, -1, 1, -1, 3]
    assert particles.final.tolist() == [False, False, True, True, False]
    assert particles.e.tolist() == [0, 0, 0, 5, 7]
    assert particles.vertices is not None
    np.testing.assert_array_equal(particles.vertices, made)
    assert weights.tolist() == [1.0, 2.5]


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


def test_a_file_without_positions_says_what_its_impact_parameters_are(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("pyhepmc")
    text = gzip.decompress((data / NAMES[1]).read_bytes()).decode()
    (tmp_path / "placed.hepmc").write_text(re.sub(r"(?m)^(V .*\])$", r"\1 @ 0 0.1 2 0", text, count=1))
    for path, said in ((data / NAMES[1], True), (tmp_path / "placed.hepmc", False)):
        for features in ({"charge"}, {"d0"}):
            caplog.clear()
            file = open_events(path)
            list(file.iterate({"tracks": features}, step_size=9, stop=2))
            assert ("no vertex has a position" in caplog.text) == (said and "d0" in features)
            assert any("no vertex has a position" in note for note in file.sample().notes) == said


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
    (tmp_path / "head.hepmc").write_bytes(text.partition(b"\nE ")[0])
    with pytest.raises(InputDataError, match=r"head\.hepmc: truncated after event 0"):
        open_events(tmp_path / "head.hepmc")
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


def weighted(data: Path, name: str, weights: list[str | None]) -> str:
    """The three events with these weights, None for no weight, in the file's own way."""
    new = iter(weights)

    def hepmc2(found: re.Match[str]) -> str:
        values = (next(new) or "").split()
        return " ".join([found[1], str(len(values)), *values])

    text = gzip.decompress((data / name).read_bytes()).decode()
    if name == NAMES[0]:
        return re.sub(r"^(E (?:\S+ ){10}\S+) 1 \S+$", hepmc2, text, flags=re.MULTILINE)
    return re.sub(r"W 2\.0+e\+00\n", lambda _: "" if (value := next(new)) is None else f"W {value}\n", text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (["-1.5 2 3", "0", "1e-3 nan"], [-1.5, 0.0, 1e-3]),
        ([None, None, None], [1.0, 1.0, 1.0]),
        (["nan 1", "3", "3"], "'weights' holds nan at entry 0"),
        (["nan", "nan", "nan"], "'weights' holds nan at entry 0"),
        (["3", "3", "-inf"], "'weights' holds -inf at entry 2"),
        (["3", None, "3"], "event 1 has no weight, and the first one has one"),
        ([None, None, "3"], "event 2 has a weight, and the first one has none"),
    ],
)
def test_weights(name: str, weights: list[str | None], expected: list[float] | str, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyhepmc")
    (tmp_path / "x.hepmc").write_text(weighted(data, name, weights))
    if isinstance(expected, str):
        with pytest.raises(InputDataError, match=expected):
            list(open_events(tmp_path / "x.hepmc").blocks(3))  # type: ignore[attr-defined]
        return
    _, found = next(open_events(tmp_path / "x.hepmc").blocks(3))  # type: ignore[attr-defined]
    assert found.tolist() == expected


EMPTY = {NAMES[0]: "E 7 0 0 0 0 0 0 0 0 0 0 1 2.5\nU GEV MM\n", NAMES[1]: "E 7 0 0\nU GEV MM\nW 2.5\n"}
LAYOUTS = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "joined": lambda text: text * 2,
    "blank lines": lambda text: re.sub(r"^(E .*\n)", r"\1\n\n", text, flags=re.MULTILINE),
    "comments": lambda text: "\n# by hand\n" + re.sub(r"^(E .*\n)", r"# next\n\1", text, flags=re.MULTILINE),
    "more at the end": lambda text: f"{text}\n{'# nothing' * 9}\n{chr(10) * 500}",
    "no last line feed": lambda text: text.rstrip(),
}


@pytest.mark.parametrize("name", NAMES)
def test_layouts_that_the_library_reads(name: str, data: Path, tmp_path: Path) -> None:
    pyhepmc = pytest.importorskip("pyhepmc")
    plain = gzip.decompress((data / name).read_bytes()).decode()
    for what, change in LAYOUTS.items():
        text = change(plain).encode()
        (tmp_path / "x.hepmc").write_bytes(text)
        with pyhepmc.open(tmp_path / "x.hepmc") as file:
            theirs = [(len(event.particles), event.weights[0]) for event in file]
        (tmp_path / "x.gz").write_bytes(gzip.compress(text[:9999]) + gzip.compress(text[9999:]))
        for path in (tmp_path / "x.hepmc", tmp_path / "x.gz"):
            found = open_events(path)
            particles, weights = next(found.blocks(found.entries))  # type: ignore[attr-defined]
            assert list(zip(np.diff(particles.offsets), weights, strict=True)) == theirs, what
        assert len(theirs) == (6 if what == "joined" else 3)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_without_particles(name: str, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """HepMC3 reads it; pyhepmc's own loop ends there without a word."""
    pytest.importorskip("fastjet")
    text = gzip.decompress((data / name).read_bytes()).decode()
    second = text.index("\nE ", text.index("\nE ") + 1) + 1
    (tmp_path / "x.hepmc").write_text(text[:second] + EMPTY[name] + text[second:])
    file = open_events(tmp_path / "x.hepmc")
    events = next(file.iterate(FIELDS, step_size=9, stop=4))
    assert events.weight.tolist() == [2.0, 2.5, 2.0, 2.0]
    assert ak.num(events.jets).tolist()[1] == 0
    assert ak.num(events.jets).tolist()[2] > 0
    assert "x.hepmc: 1 of 4 events have no particles" in caplog.text
    assert "1 of the events read have no particles" in file.sample().notes[-1]


def test_what_is_before_an_event_has_a_bound(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hepmc, "_PIECE", 4096)
    assert open_events(path).entries == 3
    monkeypatch.setattr(hepmc, "_MAX_EVENT", 1 << 16)
    with pytest.raises(InputDataError, match="more than 65536 bytes without an event"):
        open_events(path)


def test_another_hepmc(tmp_path: Path) -> None:
    (tmp_path / "old.hepmc").write_text("\nHepMC::Version 2.06\nHepMC::IO_Ascii-START_EVENT_LISTING\n")
    with pytest.raises(InputDataError, match="neither HepMC2 nor HepMC3"):
        open_events(tmp_path / "old.hepmc")


def test_without_pyhepmc(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyhepmc", None)
    with pytest.raises(MissingExtraError, match=r"hepad\[particles\]") as caught:
        next(open_events(path).iterate({"met": {"pt"}}, step_size=10, stop=3))
    assert caught.value.exit_code == 5
