"""A signal against every search: which are asked, in which order they stand, and whose verdict counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hepad.errors import InputDataError, OutputError
from hepad.execution.run import Skipped
from hepad.output.figure_kinds import drawing
from hepad.pipeline.reinterpret import every
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


class OfSearches:
    """Stands for `reinterpret`: of each search an error, or a result with the files that it skips and its warnings."""

    def __init__(self, found: dict[str, str | tuple[list[int], list[str]]]) -> None:
        self.found = found

    def __call__(self, files: list[Path], name: str, options: ReinterpretOptions) -> SimpleNamespace:
        found = self.found[name]
        if options.output is not None:
            options.output.mkdir()
        if isinstance(found, str):
            raise InputDataError(f"{files[0]}: {found}; run 'hepad inspect'")
        search = SimpleNamespace(title=name, reference="", fidelity="", signal_region="all")
        limit = SimpleNamespace(expected=1.0, observed=2.0)
        result = SimpleNamespace(
            analysis=name,
            search=search,
            sample=SimpleNamespace(limit=limit, cross_section_pb=0.5, acceptance={}),
            verdict=SimpleNamespace(status="not excluded", reason="because"),
            skipped=tuple(Skipped(n, files[n].name, f"{files[n].name}: no Jet; run 'hepad inspect'") for n in found[0]),
            warnings=tuple(found[1]),
            provenance={"cards": {}, "inputs": []},
        )
        return SimpleNamespace(result=result)


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    for name in ("a.root", "b.root"):
        (tmp_path / name).touch()
    return [str(tmp_path / "a.root"), str(tmp_path / "b.root")]


def searches(monkeypatch: pytest.MonkeyPatch, **found: str | tuple[list[int], list[str]]) -> None:
    monkeypatch.setattr(every, "search_names", lambda: tuple(found))
    monkeypatch.setattr(every, "reinterpret", OfSearches(found))


def test_a_file_that_none_can_read_is_named_and_told_by_the_exit_code(run, two, monkeypatch) -> None:
    same = "the masses are of another version"
    searches(monkeypatch, one=([1], [same, "of its own"]), two=([1], [same]))
    done = run("reinterpret", *two, "-a", "all", "--skip-bad-files", "-o", "out", code=8)
    assert "hepad: left out: b.root: no Jet" in done.stderr
    assert done.stderr.count(same) == 1
    assert "hepad: warning: one, two: the masses are" in done.stderr
    out = Path(two[0]).parent / "out"
    content = json.loads((out / "ranking.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in content["skipped"]] == ["b.root"]
    assert content["warnings"] == [f"one, two: {same}", "one: of its own"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Left out, as it cannot be read: b.root: no Jet" in page
    assert f"one, two: {same}." in page


def test_a_table_holds_only_results_of_the_same_files(two, monkeypatch) -> None:
    searches(monkeypatch, one=([1], ["not ranked"]), two=([], []))
    found = reinterpret_every(two, options=ReinterpretOptions())
    assert [row.search for row in found.rows] == ["two"]
    assert found.left_out["one"].startswith("it cannot read a file that another search can: b.root: no Jet")
    assert (found.skipped, found.warnings) == ((), ())
    searches(monkeypatch, one=([1], []), two=([0], []))
    with pytest.raises(InputDataError, match=r"no two searches .*one: .*b\.root: no Jet.*two: .*a\.root: no Jet"):
        reinterpret_every(two, options=ReinterpretOptions())


def test_all_reasons_that_differ_are_said_and_their_remedy_once(two, monkeypatch) -> None:
    searches(monkeypatch, one="no Muon", two="no Jet", three="no Muon")
    with pytest.raises(InputDataError) as caught:
        reinterpret_every(two, options=ReinterpretOptions())
    text = str(caught.value)
    assert f"; one, three: {two[0]}: no Muon; two: {two[0]}: no Jet; run" in text
    assert text.count("hepad inspect") == 1


def test_the_folders_of_all_searches_are_checked_before_anything_is_read(two, monkeypatch) -> None:
    searches(monkeypatch, one=([], []), two=([], []))
    out = Path(two[0]).parent / "out"
    (out / "two").mkdir(parents=True)
    (out / "two" / "mine.txt").touch()
    monkeypatch.setattr(every, "reinterpret", lambda *_, **__: pytest.fail("read before the folders were checked"))
    with pytest.raises(OutputError, match=r"two holds mine\.txt"):
        reinterpret_every(two, options=ReinterpretOptions(output=out))
