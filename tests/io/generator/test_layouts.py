"""The same events in many layouts, as generators, editors and XML libraries write them: hepad reads what others read.

The oracles are pylhe, which reads Les Houches files as XML, and HepMC3's own readers.
"""

from __future__ import annotations

import gzip
import itertools
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hepad.errors import InputDataError
from hepad.io.generator import markup
from hepad.io.generator.les_houches import LheEvent
from hepad.io.generator.lhe import LheFile, read_events, read_header
from hepad.io.reader import open_events

DATA = Path(__file__).parents[2] / "data"
quick = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = gzip.decompress((DATA / "ttbar.lhe.gz").read_bytes()).decode()
INIT = re.search(r"<init>\n(.*?)</init>", TEXT, re.DOTALL)[1].splitlines()  # type: ignore[index]
BODIES = [body.splitlines() for body in re.findall(r"<event>\n(.*?)</event>", TEXT, re.DOTALL)[:3]]
HEAVY = "<!-- <event> 1 </event> <init> -->"

# What pylhe reads too: it is XML, and the lines are those of the standard.
between = st.sampled_from(["", "\n", " ", "\n\n", f"\n{HEAVY}\n"])
attributes = st.sampled_from(["", ' npLO="1" npNLO=" -1 "', "\n  trials='3>1'", " "])
endings = st.sampled_from(["\n", "\r\n"])
particle_tails = st.sampled_from(["", "  ", " 1.0", " 1.0 2.0", " # top", " #top"])
afterwards = st.sampled_from(["", "#pdf 2 -2 0.1\n", "<rwgt>\n<wgt id='a_1'> 2.0 </wgt>\n</rwgt>\n", "# a\n# b\n"])
layouts = st.fixed_dictionaries(
    {
        "between": between,
        "attributes": attributes,
        "end": endings,
        "tail": particle_tails,
        "after": afterwards,
        "indent": st.sampled_from(["", " ", "\t", "      "]),
        "cdata": st.booleans(),
        "lead": st.sampled_from(["\n", "\n\n", " \n"]),
        "members": st.integers(0, 3),
    }
)


def document(layout: dict[str, object], event: str = "event", blank: str = "", number: str = "") -> bytes:
    """The first three events; `blank` follows each line of numbers, `number` replaces the first vanishing momentum."""
    get = {name: str(value) for name, value in layout.items()}
    early = get["between"].replace(HEAVY, "")  # pylhe takes one comment before <init>
    parts = [f'<LesHouchesEvents version="1.0">{early}<!--\n{HEAVY[4:20]}\n-->{early}']
    parts += ["<init>\n" + "\n".join(INIT) + f"\n</init>{get['between']}"]
    for body in BODIES:
        rows = [line + get["tail"] for line in body[1:] if not line.startswith("#")]
        if number:
            rows[0] = rows[0].replace("0.0000000000E+00", number, 1)
        text = f"\n{blank}".join(get["indent"] + line for line in [body[0], *rows]) + f"\n{get['after']}"
        if layout["cdata"] and "<" not in text:
            text = f"<![CDATA[{text}]]>"
        parts.append(f"<{event}{get['attributes']}>{get['lead']}{blank}{text}</{event}>{get['between']}")
    text = "".join([*parts, f"</LesHouchesEvents>{get['between']}"])
    return text.replace("\n", get["end"]).encode()


def written(path: Path, text: bytes, members: int) -> Path:
    """The text, compressed in so many members if any."""
    edges = [len(text) * k // max(members, 1) for k in range(max(members, 1) + 1)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    path.write_bytes(b"".join(map(gzip.compress, pieces)) if members else text)
    return path


def known() -> list[LheEvent]:
    return list(itertools.islice(read_events(DATA / "ttbar.lhe.gz"), 3))


@quick
@given(layout=layouts)
def test_pylhe_reads_the_same(layout: dict[str, object], tmp_path: Path) -> None:
    pylhe = pytest.importorskip("pylhe")
    path = written(tmp_path / "x.lhe", document(layout), int(str(layout["members"])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = pylhe.LHEFile.fromfile(str(path), with_attributes=False, generator=False)
    ours = list(read_events(path))
    assert len(ours) == len(theirs.events) == 3
    assert read_header(path).processes == {p.procId: p.xSection for p in theirs.init.procInfo}
    for mine, other, true in zip(ours, theirs.events, known(), strict=True):
        info = other.eventinfo
        assert (mine.process, mine.weight, mine.scale, mine.alpha_s) == (info.pid, info.weight, info.scale, info.aqcd)
        momenta = [(p.id, p.status, p.mother1, p.color1, p.px, p.py, p.pz, p.e, p.m, p.spin) for p in other.particles]
        assert [(*p[:3], p[4], *p[6:11], p[12]) for p in mine.particles] == momenta
        assert replace(mine, more=False) == true
        assert mine.more == str(layout["tail"]).startswith(" 1")


@quick
@given(
    layout=layouts,
    event=st.sampled_from(["event", "EVENT", "Event"]),
    blank=st.sampled_from(["", "\n", "# nothing\n", "  \n\n"]),
    number=st.sampled_from(["", "0.0d0", "0.123-101", "-1.23E-101", "1.2-300", ".5Q-200", "+0.5D-99"]),
)
def test_what_others_do_not_read(
    layout: dict[str, object], event: str, blank: str, number: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "x.lhe", document(layout, event, blank, number), int(str(layout["members"])))
    value = {"0.123-101": 0.123e-101, "-1.23E-101": -1.23e-101, "1.2-300": 1.2e-300, ".5Q-200": 0.5e-200}
    for mine, true in zip(read_events(path), known(), strict=True):
        first = list(true.particles[0])
        first[6] = {**value, "+0.5D-99": 0.5e-99}.get(number, 0.0)
        assert mine.particles == (tuple(first), *true.particles[1:])


def plain(name: str = "ok.lhe") -> str:
    layout = dict.fromkeys(["attributes", "tail", "after", "indent"], "") | {"between": "\n", "end": "\n", "lead": "\n"}
    return document({**layout, "cdata": False}).decode()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</event>\n<event>", "<event>", "event 0 is truncated or damaged: it has no </event>"),
        ("</event>\n<event>", "</event>", "</event> stands where event 1 should begin"),
        ("</event>\n<event>", "</event>\n<init></init>\n<event>", "<init> stands where event 1"),
        ("</event>\n<event>", "</event>\n<event/>\n<event>", "event 1 is truncated or damaged: it has no </event>"),
        ("<event>\n    12", "<event/></event><event>\n    12", "event 0 is truncated or damaged: it holds nothing"),
        ("</event>\n<event>", "</event>\n<!-- <event>", "damaged or truncated (<!-- has no end)"),
        ("</event>\n</Les", "</event>\n</Lex", "truncated after event 3, there is no </LesHouchesEvents>"),
        ("</LesHouchesEvents>", f"</LesHouchesEvents>{'<event>'}", "more events follow </LesHouchesEvents>"),
        (
            "    12    81",
            "    13    81",
            "event 0 is truncated or damaged: it says that it has 13 ",
        ),
        ("    12    81", "    -1    81", "it says that it has -1 particles"),
        ("3.3629095553E+01", "*************", "event 0 is truncated or damaged: '*************' is no number"),
        ("3.3629095553E+01", "1_0", " holds what is no number"),
        ("3.3629095553E+01", "-", "event 0 is truncated or damaged: '-' is no number"),
        ("3.3629095553E+01", "nan", "not all of its numbers are finite"),
        ("6.4513750383E+01", "6.6513750383E+01", "come in with 388.143 GeV, and go out with 2 GeV more or less"),
        (" 0. 9.", " 0.", "holds 12 of 13 numbers"),
        (" 5.220106E+00", "#5.220106E+00", "<init> is missing or damaged"),
        ("</init>\n", "", ""),
        ("<init>", "# no <init> here\n<init>", ""),
        ("</event>\n</Les", "</EVENT  >\n</les", ""),
    ],
)
def test_what_is_lost_is_said(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = plain()
    assert old in text
    (tmp_path / "x.lhe").write_text(text.replace(old, new, 1))
    if not words:
        assert len(list(read_events(tmp_path / "x.lhe"))) == 3
        return
    with pytest.raises(InputDataError, match=re.escape(words)):
        LheFile(tmp_path / "x.lhe")


def test_elements_are_found_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.lhe").write_text(plain())
    for size in (1, 7, 50, 333):
        monkeypatch.setattr(markup, "_PIECE", size)
        assert list(read_events(tmp_path / "x.lhe")) == known()


@pytest.mark.parametrize("place", ["<init>", "<event>", "</event>", "</LesHouchesEvents>", "<!--"])
def test_what_is_between_elements_has_a_bound(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MAX_BETWEEN", 1 << 16)
    monkeypatch.setattr(markup, "_PIECE", 1 << 12)
    text = plain().replace(place, ("# comment\n" * 10_000) + place if place != "<!--" else "<!-- -->" * 10_000, 1)
    text += "# comment\n" * 10_000 if place == "</LesHouchesEvents>" else ""
    (tmp_path / "x.lhe.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(InputDataError, match="more than 65536 bytes or 400000 parts between two elements"):
        LheFile(tmp_path / "x.lhe.gz")


def test_comments_without_end_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "_MAX_PARTS", 100)
    for place in ("<init>", "<event>"):
        for many in ("<!---->" * 30, "</event>" * 101 if place == "<init>" else "<!-- -->" * 26):
            (tmp_path / "x.lhe").write_text(plain().replace(place, many + place, 1))
            with pytest.raises(InputDataError, match=r"more than .* 100 parts between two elements"):
                LheFile(tmp_path / "x.lhe")


def test_events_without_colours_or_particles(tmp_path: Path) -> None:
    words = [line.split() for line in plain().splitlines()]
    colourless = [" ".join([*row[:4], "0", "0", *row[6:]] if len(row) == 13 else row) for row in words]
    (tmp_path / "x.lhe").write_text("\n".join(colourless))
    with pytest.raises(InputDataError, match=r"quarks and gluons have no colour flow \(all 0\)"):
        LheFile(tmp_path / "x.lhe")
    leptons = [[11, -1, 0, 0, 0, 0, 0, 0, 50, 50], [-11, -1, 0, 0, 0, 0, 0, 0, -50, 50]]
    leptons += [[13, 1, 1, 2, 0, 0, 50, 0, 0, 50], [-13, 1, 1, 2, 0, 0, -50, 0, 0, 50]]
    rows = "".join(f"\n{' '.join(map(str, row))} 0 0 9" for row in leptons)
    event = f"<event>4 1 1. 100. 0.008 0.1{rows}</event>"
    (tmp_path / "x.lhe").write_text(f"{plain().partition('</init>')[0]}</init>{event}</LesHouchesEvents>")
    assert LheFile(tmp_path / "x.lhe").entries == 1


def test_events_without_particles_keep_their_place(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc")
    empty = "<event>\n0 81 2.5 100. 0.0078 0.1\n</event>\n"
    head, *events = plain().rsplit("<event>", 3)
    (tmp_path / "x.lhe").write_text(head + empty + f"<event>{events[0]}{empty}<event>{'<event>'.join(events[1:])}")
    file = LheFile(tmp_path / "x.lhe")
    particles, weights = next(file.blocks(5))
    assert (np.diff(particles.offsets) > 0).tolist() == [False, True, False, True, True]
    assert (weights.tolist(), file.rejected) == ([2.5, 1, 2.5, 1, 1], 2)
    (tmp_path / "y.lhe").write_text(plain())
    alone, _ = next(LheFile(tmp_path / "y.lhe").blocks(3))
    assert particles.e.tolist() == alone.e.tolist()


def test_a_cross_section_that_is_not_stated(tmp_path: Path) -> None:
    """POWHEG writes XSECUP -1; its files are showered as others are."""
    pytest.importorskip("pythia8mc")
    (tmp_path / "x.lhe").write_text(plain().replace("  5.220106E+00  5.384128E-01", "  -1  -1"))
    (tmp_path / "y.lhe").write_text(plain())
    file, same = LheFile(tmp_path / "x.lhe"), LheFile(tmp_path / "y.lhe")
    assert file.sample().cross_section_pb is None
    assert same.sample().cross_section_pb == pytest.approx(5.220106 + 0.2602564)
    assert "its cross section is not stated (XSECUP -1): give it yourself" in file.sample().notes
    assert next(file.blocks(3))[0].e.tolist() == next(same.blocks(3))[0].e.tolist()
    assert file.rejected == 0


def test_bytes_after_a_gzip_member(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = gzip.compress(plain().encode())
    (tmp_path / "zeros.gz").write_bytes(whole + bytes(1024))
    assert open_events(tmp_path / "zeros.gz").entries == 3
    assert not caplog.messages
    (tmp_path / "more.gz").write_bytes(whole + b"something else")
    assert open_events(tmp_path / "more.gz").entries == 3
    assert [m for m in caplog.messages if "more.gz" in m] == [
        f"{tmp_path / 'more.gz'}: bytes that are not compressed follow the compressed data; they are left out"
    ]
    (tmp_path / "cut.gz").write_bytes(whole + gzip.compress(b"more")[:-3])
    with pytest.raises(InputDataError, match="the compressed data end too early"):
        open_events(tmp_path / "cut.gz")
    (tmp_path / "bad.gz").write_bytes(whole[:-8] + b"\0" * 8)
    with pytest.raises(InputDataError, match="incorrect data check"):
        open_events(tmp_path / "bad.gz")
