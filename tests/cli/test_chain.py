"""`hepad chain`, as users run it: beside the scores and masks that other commands give, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hepad
from hepad.bundles.bundle import load_bundle
from hepad.cards.selection import load_selection
from hepad.cli.chain import chain
from hepad.objects.selection import apply_selection
from hepad.pipeline.chain.steps import prepare_step
from hepad.search.events import Reading, search_parts
from hepad.search.search import prepare_search
from hepad.stats.scores.acceptance import clopper_pearson

from .test_rates import MENU

LOW, TIGHT = 0.0005, 1.5


def test_the_whole(run, tmp_path: Path, examples: Path) -> None:
    events = examples / "wprime_wz_2tev.root"
    (tmp_path / "menu.yaml").write_text(MENU)
    command = ["chain", f"w={events}", "--l1", f"dnn_ae@threshold:{LOW}", "--l1", f"vae@kl@threshold:{TIGHT}"]
    command += ["--hlt", "snn_ae@loose", "--offline", "adc2021_electron", "--menu", "menu.yaml", "-o", "out"]
    shown = run(*command)
    assert "this chain and not the menu" in shown.stdout
    assert {"chain.json", "report.md", "report.html", "cutflow.png"} <= {p.name for p in (tmp_path / "out").iterdir()}
    content = json.loads((tmp_path / "out" / "chain.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    kept = content["samples"][0]["levels"][-1]["cumulative"]["value"]
    assert f"<dt>{100 * kept:.3g} %</dt><dd>of all generated events of w</dd>" in page
    assert 'id="make-it-again"' in page
    again = run(*command, "--json")
    assert "complete already" in again.stderr
    assert json.loads(again.stdout)["samples"] == content["samples"]

    loaded = hepad.load_events(events)
    n = len(loaded)
    dnn, snn = (hepad.load_model(name) for name in ("dnn_ae", "snn_ae"))
    first = np.nan_to_num(dnn.scores(events)["mse"]) >= LOW
    second = np.nan_to_num(hepad.load_model("vae").scores(events)["kl"]) >= TIGHT
    hlt = np.nan_to_num(snn.scores(events)["mse"]) >= load_bundle("snn_ae").card.regions["loose"].threshold
    _, offline, _ = apply_selection(loaded, load_selection("adc2021_electron"))
    rows = {(row["level"], row["step"]): row for row in content["samples"][0]["levels"]}
    l1 = first | second
    expected = {
        ("l1", f"dnn_ae@threshold:{LOW}"): (first, first, first & ~second),
        ("l1", f"vae@kl@threshold:{TIGHT}"): (second, second, second & ~first),
        ("l1", None): (l1, l1, None),
        ("hlt", "snn_ae@loose"): (hlt, l1 & hlt, None),
        ("offline", "adc2021_electron"): (offline, l1 & hlt & offline, None),
    }
    assert list(rows) == list(expected)
    muon = np.array([any(pt > 30 for pt in event) for event in loaded.muons.pt.tolist()])
    jets = np.array([sum(pt > 30 for pt in event) >= 3 for event in loaded.jets.pt.tolist()])
    kept = np.where(muon, 1.0, np.where(jets, 0.25, 0.0))
    before = np.ones(n, dtype=bool)
    for key, (alone, cumulative, only) in expected.items():
        row = rows[key]
        assert row["alone"]["events"] == alone.sum()
        assert row["cumulative"]["value"] == pytest.approx(cumulative.mean())
        low, high = clopper_pearson(int(cumulative.sum()), n)
        assert (row["cumulative"]["low"], row["cumulative"]["high"]) == pytest.approx((low, high))
        assert row["menu_too"]["value"] == pytest.approx((kept * cumulative).mean())
        assert (row["only"] or {"events": None})["events"] == (None if only is None else only.sum())
        before = l1 if key[0] == "hlt" else l1 & hlt if key[0] == "offline" else before
        assert row["of_before"]["value"] == pytest.approx(cumulative.sum() / before.sum())
    whole = l1 & hlt & offline
    assert 0 < (first & second).sum() < l1.sum() < n
    assert 0 < whole.sum() < min(offline.sum(), (l1 & hlt).sum())
    triggers = {row["triggered_by"]: row["fraction"]["value"] for row in content["samples"][0]["triggers"]}
    assert triggers == pytest.approx(
        {
            "all, without a trigger": offline.mean(),
            "this chain": whole.mean(),
            "the menu": (offline * kept).mean(),
            "both": (whole * kept).mean(),
            "either": np.where(whole, 1.0, offline * kept).mean(),
            "this chain and not the menu": (whole * (1 - kept)).mean(),
        }
    )


def test_a_search_is_a_step_in_the_region_of_its_limits(run, examples: Path) -> None:
    signal = examples / "wprime_wz_2tev.root"
    shown = run("chain", signal, "--offline", "atlas_2023_ad_two_body", "--offline", "adfilter_0", "--json")
    content = json.loads(shown.stdout)
    found = {row["step"]: row for row in content["samples"][0]["levels"]}
    search = prepare_search("atlas_2023_ad_two_body")
    (part,) = search_parts(Reading(sqrt_s_gev=13000).run([signal], search))
    events = part.events[search.categories[0].name]
    inside = events.inside(search.categories[0], search.signal_region)
    assert found["atlas_2023_ad_two_body"]["alone"]["events"] == inside.sum() > 0
    assert found["adfilter_0"]["alone"]["events"] == len(events) > inside.sum()
    assert content["steps"][0]["region"] == search.signal_region


def test_a_hunt_in_a_plane_is_a_step() -> None:
    (category,) = prepare_step("offline", "atlas_2023_yxh").search.categories
    assert category.selection == load_selection("dijet_fat")


def test_the_example_works(run, examples: Path) -> None:
    words = str(chain.__doc__).split("Example: hepad ")[1].split()
    shown = run(*(examples / Path(word).name if word.startswith("examples/") else word for word in words), "--json")
    assert json.loads(shown.stdout)["samples"][0]["levels"][-1]["cumulative"]["events"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "a chain needs a step"),
        (["--l1", "nope"], "no model, search, selection or hunt 'nope'"),
        (["--l1", "snn_ae"], "say where, as snn_ae@REGION"),
        (["--hlt", "snn_ae@strict"], "snn_ae has no region 'strict'"),
        (["--hlt", "snn_ae@treshold:4"], "efficiency:0.01"),
        (["--l1", "snn_ae@loose", "--l1", "snn_ae@loose"], "given twice"),
        (["--offline", "adc2021", "--menu", "nope"], "nope"),
        (["--offline", "adc2021", "--sqrt-s", "nan"], "--sqrt-s must be above 0 GeV and finite, found nan"),
    ],
)
def test_what_is_refused(run, examples: Path, options: list[str], said: str) -> None:
    result = run("chain", examples / "w_lnu.root", *options, code=3 if "nope" in options else 2)
    assert said in result.stderr
