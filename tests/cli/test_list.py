"""`hepad list` and `hepad show`: what ships."""

from __future__ import annotations

import json
import re
import shutil

import yaml

from hepad.cards.resolver import resolve
from hepad.output.json_text import json_text
from hepad.pipeline.catalogue import CATALOGUES, catalogue, overview


def test_the_overview_counts_what_the_lists_hold(run):
    shown = run("list").stdout
    assert list(overview()) == list(CATALOGUES)
    for kind, names in json.loads(run("list", "--json").stdout).items():
        rows = catalogue(kind)
        json_text("list", rows)  # holds them against their schema
        assert [row["name"] for row in rows] == names
        assert re.search(rf"^  {kind} +{len(names)} ", shown, re.MULTILINE)


def test_a_card_is_shown_in_full(run):
    said = run("show", "fits/dijet4").stdout
    head, _, card = said.partition("\n\n")
    assert head == "fits/dijet4\n  title: Dijet function with 4 parameters\n  reference: arXiv:1910.08447"
    assert yaml.safe_load(card)["family"] == "dijet"
    both = json.loads(run("show", "snn_ae", "--json").stdout)
    assert [thing["kind"] for thing in both] == ["models", "analyses", "kinds"]
    model = yaml.safe_load(both[0]["card"])
    assert model["published"]["h0"]["auc"] == [0.719, 0.014]
    assert "columns" not in model
    assert not any(isinstance(value, list) for value in model["training"].values())
    assert "shows one of models/snn_ae, analyses/snn_ae, kinds/snn_ae" in run("show", "snn_ae").stdout
    assert run("show", "kinds/gru", code=3).stderr.startswith(
        "hepad: nothing that ships with hepad is called 'kinds/gru'"
    )
    assert "did you mean snn_ae" in run("show", "sn_ae", code=3).stderr
    assert "title" in json.loads(run("show", "kinds/dnn_ae", "--json").stdout)[0]["row"]


def test_a_bundle_that_somebody_gave_is_shown_by_its_folder(run, tmp_path):
    shutil.copytree(resolve("bundles", "dnn_ae"), tmp_path / "theirs")
    (shown,) = json.loads(run("show", "./theirs", "--json").stdout)
    assert shown == json.loads(run("show", "models/dnn_ae", "--json").stdout)[0]
    card = tmp_path / "theirs" / "card.json"
    card.write_text(card.read_text().replace("dnn_ae", "other"))
    assert "get it again" in run("show", "theirs", code=3).stderr
