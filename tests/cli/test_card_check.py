"""`hepad analysis check`: everything that is wrong with a card, at once and with its lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hepad.cards.resolver import resolve

BAD = """schema: search/1
name: my search
title: t
fidelity: exactt
fidelity_note: x
sqrt_s_gev: 13000
luminosty: {fb: 3, source: x}
categories:
  - name: a
    title: A
    selection: adc20211
    bundle: nope
  - {name: b, title: B, selection: adc2021, bundle: sub/bundle}
regions: [loose]
fits: [dijet3, dijet99, dijet99]
channels:
  jj: {mass: jet1+jet2, title: x, category: a, observed: "no.csv:h", edges: [3, 2, 1]}
"""


def test_all_faults_are_told_with_their_lines(run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    shown = run("analysis", "check", "bad.yaml", code=7)
    lines = shown.stdout.splitlines()
    wanted = [
        ("bad.yaml: reference: ", "required"),
        ("bad.yaml:2: name: ", "must be letters"),
        ("bad.yaml:4: fidelity: ", "'exactt'"),
        ("bad.yaml:7: luminosty: ", "did you mean luminosity?"),
        ("bad.yaml:11: categories.0.selection: ", "no selection named 'adc20211'"),
        ("bad.yaml:12: categories.0.bundle: ", "no model named 'nope'"),
        ("bad.yaml:13: categories.1.bundle: ", "sub/bundle"),
        ("bad.yaml:15: fits.1: ", "no fit named 'dijet99'"),
        ("bad.yaml:17: channels.jj: ", "edges must be at least two and rise"),
        ("bad.yaml:17: channels.jj.observed: ", "no.csv is not in ."),
    ]
    assert len(lines) == len(wanted)
    for line, (start, text) in zip(lines, wanted, strict=True):
        assert line.startswith(start)
        assert text in line
    assert shown.stderr == "hepad: bad.yaml has 10 faults\n"
    faults = json.loads(run("analysis", "check", "bad.yaml", "--json", code=7).stdout)["faults"]
    assert faults[1] == {"line": 2, "key": "name", "text": lines[1].partition(": name: ")[2]}


def test_a_selection_of_ones_own_is_checked_where_it_is(run, tmp_path: Path, search_card: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own.yaml").write_text("schema: selection/1\nname: own\n")
    (tmp_path / "card.yaml").write_text(search_card.replace("selection: adc2021", "selection: sub/own.yaml"))
    shown = run("analysis", "check", "card.yaml", code=7).stdout
    assert shown.startswith("card.yaml:10: categories.0.selection: sub/own.yaml: key 'title': Field required")
    # What no key alone has wrong is found by making the search ready.
    third = search_card.replace("regions: [loose, tight]", "regions: [loose, tight, other]")
    (tmp_path / "card.yaml").write_text(third)
    shown = run("analysis", "check", "card.yaml", code=7)
    assert "other" in shown.stdout
    assert shown.stderr == "hepad: card.yaml has 1 fault\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: serch/1\n", "card.yaml:1: schema: is 'serch/1', did you mean search/1? choose one of selection/1"),
        ("name: x\n", "card.yaml: schema: is missing"),
        ("schema: [\n", "card.yaml: card.yaml is not valid YAML at line 2"),
        ("schema: budget/1\nname: x\ndevice: xcvu99\n", "card.yaml:3: device: no device named 'xcvu99'"),
    ],
)
def test_what_is_no_card_or_another(run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    assert said in run("analysis", "check", "card.yaml", code=7).stdout


def test_what_hunts_and_their_studies_name_is_looked_at(run, tmp_path: Path) -> None:
    hunt = resolve("analyses/hunts", "cms_2024_dijet_anomaly").read_text(encoding="utf-8")
    broken = hunt.replace("mass: fatjet1+fatjet2", "mass: fatjet1+nojet1").replace("gauss:0.05", "gaus:0.05")
    (tmp_path / "hunt.yaml").write_text(broken, encoding="utf-8")
    mass, shape = run("analysis", "check", "hunt.yaml", code=7).stdout.splitlines()
    assert mass.startswith("hunt.yaml:14: mass: ")
    assert "nojet1" in mass
    assert shape.startswith("hunt.yaml:26: shape: ")
    assert "unknown signal shape 'gaus:0.05'" in shape
    narrow = hunt.replace("  A: [1450,", "  A: [100, 200, 300, 400]\n  C: [1450,").split("  C: [")[0]
    rest = hunt[hunt.index("fractions:") :].replace("gauss:0.05", "gaus:0.05")
    (tmp_path / "hunt.yaml").write_text(narrow + rest, encoding="utf-8")
    (only,) = run("analysis", "check", "hunt.yaml", code=7).stdout.splitlines()
    assert only.startswith("hunt.yaml:15: windows: no window can be hunted in")
    study = resolve("analyses/studies", "dijet_anomaly").read_text(encoding="utf-8")
    for right, wrong in (
        ("  mass: mjj\n", "  mass: mjj\n  selection: none_such\n"),
        ("methods: [two_prong, three_prong, inclusive,", "methods: [two_prong, three_prong, inclusive, cwolla,"),
        ("knows_signal: [supervised]", "knows_signal: [supervized]"),
        ("classical: [two_prong, three_prong, inclusive]", "classical: [two_prong, three_prong, inclusiv]"),
        ("hunt: cms_2024_dijet_anomaly", "hunt: cms_2025_dijet_anomaly"),
    ):
        assert right in study
        study = study.replace(right, wrong)
    (tmp_path / "study.yaml").write_text(study, encoding="utf-8")
    lines = run("analysis", "check", "study.yaml", code=7).stdout.splitlines()
    named = {line.split(": ")[1]: line for line in lines if " named '" in line}
    assert list(named) == ["hunt", "table.selection", "methods.3", "classical.2", "knows_signal.0"]
    assert "no method named 'cwolla'" in named["methods.3"]


@pytest.mark.parametrize(
    "name", ["cms_2019_dijet", "snn_ae", "adc2021", "dijet3", "cms-l1", "cms_2024_dijet_anomaly", "dijet_anomaly"]
)
def test_what_ships_is_right(run, name: str) -> None:
    assert run("analysis", "check", name).stdout.split(" is right: ")[1] in {
        f"{kind}/1\n" for kind in ("search", "analysis", "selection", "study", "fit", "budget", "hunt", "sensitivity")
    }


def test_a_card_that_is_not_there(run) -> None:
    assert "no.yaml does not exist" in run("analysis", "check", "no.yaml", code=3).stderr
    assert "no analysis named 'nothing'" in run("analysis", "check", "nothing", code=3).stderr
