"""A signal against every search: which are asked, in which order they stand, and whose verdict counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hepad.errors import InputDataError, OutputError
from hepad.output.figure_kinds import drawing
from hepad.pipeline.reinterpret.every import RankedRow, Ranking, _order, reinterpret_every
from hepad.pipeline.reinterpret.run import ReinterpretOptions
from hepad.stats.scores.acceptance import Acceptance

SIGNAL = Path(__file__).resolve().parents[3] / "examples/data/wprime_xy_3p5tev.root"


def row(name: str, expected: float | None, observed: float | None, kept: float) -> RankedRow:
    acceptance = Acceptance(kept, 0.01, kept, kept, kept, 100)
    strength = None if expected is None else 1 / expected
    status = "cannot say" if observed is None else "excluded" if observed < 1 else "not excluded"
    return RankedRow(name, "", "", "", "all", acceptance, expected, observed, strength, status, "because")


def test_the_verdict_is_of_the_search_that_expects_most_not_of_the_lucky_one() -> None:
    rows = [row("counts_little", None, None, 0.1), row("lucky", 2.0, 0.5, 0.3), row("strong", 0.9, 1.4, 0.2)]
    rows.append(row("counts_much", None, None, 0.9))
    ranked = Ranking(1.0, tuple(sorted(rows, key=_order)), {}, {}, None)
    assert [one.search for one in ranked.rows] == ["strong", "lucky", "counts_much", "counts_little"]
    assert ranked.verdict().startswith("not excluded, by strong")
    alone = replace(ranked, rows=tuple(one for one in ranked.rows if one.expected_pb is None))
    assert alone.first is None
    assert alone.verdict().startswith("cannot say")


def test_a_file_of_jets_is_held_against_the_search_that_can_read_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ReinterpretOptions(cross_section_pb=0.05, output=out, max_events=400)
    with drawing(()):
        found = reinterpret_every([str(SIGNAL)], options=options)
    assert [one.search for one in found.rows] == ["cms_2019_dijet"]
    assert found.rows[0].strength == pytest.approx(0.05 / found.rows[0].expected_pb)
    assert "Jet.BTag" in found.left_out["atlas_2023_ad_two_body"]
    assert str(SIGNAL.parent) not in (out / "ranking.json").read_text(encoding="utf-8")
    assert json.loads((out / "ranking.json").read_text(encoding="utf-8"))["verdict"] == found.verdict()
    assert (out / "ranking.csv").read_text(encoding="utf-8").splitlines()[1].startswith("cms_2019_dijet,0.")
    assert 'href="cms_2019_dijet/report.html"' in (out / "report.html").read_text(encoding="utf-8")
    before = (out / "cms_2019_dijet/report.html").stat().st_mtime_ns
    reinterpret_every([str(SIGNAL)], options=options)
    assert (out / "cms_2019_dijet/report.html").stat().st_mtime_ns == before, "complete before"
    (out / "ranking.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"holds ranking\.csv, which hepad did not write"):
        reinterpret_every([str(SIGNAL)], options=options)


def test_what_no_search_can_read_is_said_once_and_leaves_nothing(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.root"
    damaged.write_bytes(SIGNAL.read_bytes()[:3000])
    with pytest.raises(InputDataError, match=r"damaged\.root"):
        reinterpret_every([str(damaged)], options=ReinterpretOptions(output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
