"""Signals of a study that share files, and trainings against some of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hepad.cards.analysis import load_analysis
from hepad.cards.bundle import SetAside
from hepad.cards.study import StudyCard, load_study
from hepad.errors import InputDataError, UsageError
from hepad.pipeline.study.data import StudyData, find_files
from hepad.pipeline.study.page import _labelled
from hepad.pipeline.study.plan import make_plan
from hepad.pipeline.study.trainings import _job
from hepad.pipeline.train.run import train_in_memory
from hepad.provenance import file_record
from hepad.samples.parting import is_aside

CARD = {
    "schema": "study/1",
    "name": "some_jets",
    "title": "Jets",
    "reference": "none",
    "analyses": ["particle_flow", "nsubjettiness"],
    "seeds": [1],
    "training_events": 100,
    "updates": 1,
    "evaluation": {"fraction": 0.1, "seed": 5},
    "data": {
        "background": ["qcd.root"],
        "signals": {"h4q": ["j*.root"], "tbqq": ["jets.root"], "all": ["jets.root"]},
        "labels": {"h4q": "H4q", "tbqq": "Tbqq"},
    },
    "labelled": {"against": {"particle_flow": ["all"]}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    made = tmp_path_factory.mktemp("jets")
    for name in ("qcd.root", "jets.root"):
        shutil.copy(data / "jets.root", made / name)
    return made


def test_a_signal_is_what_has_its_label_and_a_classifier_is_measured_on_what_it_has_not_seen(folder: Path) -> None:
    card = StudyCard.model_validate(CARD)
    study = StudyData(find_files(card, folder), card)
    plan = make_plan(card, study)
    flow, fixed = (plan.trainings[plan.table[name][0]] for name in card.analyses)
    assert (flow.against, fixed.against) == (("all",), ())
    sizes = {name: len(batch) for name, batch in study.samples(fixed.recipe).evaluation.items()}
    assert {name: sizes[name] for name in CARD["data"]["signals"]} == {"h4q": 4, "tbqq": 4, "all": 24}  # as in the file
    few = replace(study, card=card.model_copy(update={"evaluation": card.evaluation.model_copy(update={"events": 3})}))
    assert len(few._signal(fixed.recipe, "h4q", None)) == 3

    job = _job(flow, study, folder / "out", "cpu")
    aside = SetAside(fraction=0.5, seed=5)
    assert [path.name for path in job.options.against] == ["jets.root"]
    assert job.options.against_aside == aside
    assert _job(fixed, study, folder / "out", "cpu").options.against_aside is None
    seen = study.samples(flow.recipe, against=flow.against).evaluation
    read = study._background(flow.recipe, study.files.signals["all"], None)
    kept = is_aside(read.ids([file_record(folder / "jets.root")]), aside)
    assert 0 < kept.sum() < 24
    np.testing.assert_array_equal(seen["all"].x, read.batch.x[kept])
    # The others are in the file that it learns from: of them too it is measured on what was kept from it.
    for name in ("h4q", "tbqq"):
        assert 0 < len(seen[name]) < 4
        assert {row.tobytes() for row in seen[name].x} < {row.tobytes() for row in read.batch.x[kept]}
    options = replace(job.options, output=None, regions={})
    trained = train_in_memory(job.files, flow.recipe, options=options)
    assert trained.report.split["train"] > 0
    with pytest.raises(InputDataError, match="too few to part"):
        train_in_memory(
            job.files, flow.recipe, options=replace(options, against_aside=SetAside(fraction=0.999, seed=5))
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labelled": {"against": {"cct": ["all"]}}}, "labelled names cct, which analyses does not"),
        (
            {"labelled": {"against": {"particle_flow": ["svj"]}}},
            r"labelled.against names svj; there are h4q, tbqq, all",
        ),
        (
            {"labelled": {"analyses": ["particle_flow"], "against": {"particle_flow": ["all"]}}},
            "labelled names particle_flow under analyses and against",
        ),
        ({"data": {**CARD["data"], "labels": {"hbb": "Hbb"}}}, "labels names hbb; there are h4q, tbqq, all"),
    ],
)
def test_a_card_that_names_what_is_not_there_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StudyCard.model_validate({**CARD, **changes})


def test_a_signal_that_is_learned_from_must_be_given(folder: Path) -> None:
    card = StudyCard.model_validate(CARD)
    files = find_files(card, None, [str(folder / "qcd.root")], signals={"tbqq": [str(folder / "jets.root")]})
    with pytest.raises(UsageError, match="learns from signal all, of which there is no file: give --signal all=FILE"):
        StudyData(files, card).against(("all",))


def test_the_study_of_jets_has_the_signals_of_the_paper() -> None:
    card = load_study("jets")
    said = _labelled(card)
    assert "particle flow from semi-visible; ANTELOPE from semi-visible. 50% of the events" in said
    assert "N-subjettiness, trained from H \u2192 4q, H \u2192 bb\u0304," in said
    assert len(card.seeds) == 5
    signals = card.compare.groups["nine signals"]
    assert set(card.data.signals) == {*signals, "svj"}
    for analysis, scores in card.compare.published.items():
        ((score, numbers),) = scores.items()
        assert set(numbers["figure"]) == set(signals)
        recipe = load_analysis(analysis)
        assert score in recipe.model.config.get("scores", ("log_odds", "chamfer", "kl"))
    assert set(card.labelled.against["nsubjettiness_trained"]) == set(signals)
    assert card.quickened().evaluation.events == card.quick.evaluation_events < card.evaluation.events
