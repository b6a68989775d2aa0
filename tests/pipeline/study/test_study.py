"""The parts of a study: what is planned, what is measured, what is written."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hepad.cards.analysis import load_analysis
from hepad.cards.study import CompareCard, StudyCard, load_study
from hepad.errors import CardError, InputDataError, InterruptedRunError, OutputError, UsageError
from hepad.output import document
from hepad.output.page import to_html
from hepad.pipeline.study.data import StudyData, find_files
from hepad.pipeline.study.figures import _published_auc
from hepad.pipeline.study.page import formatted_losses, formatted_table
from hepad.pipeline.study.plan import epochs_for, make_plan, updates_per_epoch
from hepad.pipeline.study.results import figure_of, measure, spread
from hepad.pipeline.study.run import StudyOptions, study
from hepad.pipeline.study.trainings import run_trainings
from hepad.stats.scores.roc import Estimate, roc_curve

ONE = {
    "schema": "study/1",
    "name": "one",
    "title": "One model, one seed",
    "reference": "none",
    "analyses": ["dnn_ae"],
    "seeds": [1],
    "training_events": 1000,
    "updates": 12,
    "evaluation": {"fraction": 0.25, "seed": 5},
    "data": {"background": ["background.h5"], "signals": {"hplus": ["no.h5", "hplus.h5"]}},
}


def write(path: Path, **changes: object) -> str:
    path.write_text(yaml.safe_dump({**ONE, **changes}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("events", "epochs"),
    [(100_000, 400), (50_000, 800), (25_000, 1600), (10_000, 4000)],  # section "Performance with limited data"
)
def test_epochs_are_those_of_the_paper(events: int, epochs: int) -> None:
    assert epochs_for(40_000, events, 1000) == epochs


def test_updates_are_at_least_those_asked_for_and_less_than_an_epoch_more() -> None:
    for events in (1, 2, 999, 1000, 1001, 1002, 2001, 14_933):
        batches = updates_per_epoch(events, 1000)
        updates = epochs_for(40_000, events, 1000) * batches
        assert 40_000 <= updates < 40_000 + batches
    assert updates_per_epoch(1001, 1000) == 1  # the training loop joins a lone event to the batch before
    assert updates_per_epoch(1001, 1) == 1001


def test_no_training_is_planned_twice_and_all_have_equal_updates(examples: Path) -> None:
    card = load_study("adc2021")
    plan = make_plan(card, StudyData(find_files(card, examples), card))
    # SNN: T, latent and size share the standard one; 5 + 2 + 3 others. DNN: 2 + 3 others. Each of five seeds.
    assert len(plan.trainings) == 5 * (3 + 10 + 5)
    assert {t.updates for t in plan.trainings.values()} <= set(range(40_000, 40_010))
    standard = plan.table["snn_ae"]
    for scan, value in (("steps", 5), ("latent", 4), ("training_fraction", 1)):
        (point,) = [p for p in plan.scans if (p.scan, p.analysis, p.value) == (scan, "snn_ae", value)]
        assert point.trainings == standard
    (ten,) = [p for p in plan.scans if (p.scan, p.value) == ("steps", 10)]
    assert {plan.trainings[name].recipe.model.config["steps"] for name in ten.trainings} == {10}
    (wide,) = [p for p in plan.scans if (p.scan, p.analysis, p.value) == ("latent", "dnn_ae", 12)]
    assert plan.trainings[wide.trainings[0]].recipe.model.config["layers"] == [24, 12, 12]


def test_the_study_of_triggers_is_of_zero_bias_and_its_signals(tmp_path: Path) -> None:
    card = load_study("l1_triggers")
    for names in ((*card.data.background, *card.data.evaluation_background), *card.data.signals.values()):
        for name in names:
            (tmp_path / name).write_bytes(name.encode())
    files = find_files(card, tmp_path)
    assert [path.name for path in (*files.background, *files.evaluation)] == ["zero_bias.root", "zero_bias_2.root"]
    assert len(files.signals) == 9
    assert card.updates is None  # so that parts that see few events are trained for as long as their cards say
    recipes = [load_analysis(name) for name in card.analyses]
    assert {recipe.model.name for recipe in recipes} == {"l1_vae", "chain", "vae_gan", "cascade"}
    assert {name for recipe in recipes for name in recipe.regions} == {"rate_1mhz", "rate_300khz"}


def test_without_updates_the_epochs_are_those_of_the_card(examples: Path) -> None:
    content = {key: value for key, value in ONE.items() if key != "updates"}
    card = StudyCard.model_validate({**content, "training_events": 500})
    plan = make_plan(card, StudyData(find_files(card, examples), card))
    assert [(t.train.epochs, t.events) for t in plan.trainings.values()] == [
        (load_analysis("dnn_ae").train.epochs, 500)
    ]


def test_quick_replaces_what_it_names() -> None:
    card = load_study("adc2021")
    quick = card.quickened()
    assert (quick.seeds, quick.updates) == ((1, 2), card.quick.updates)
    assert quick.training_events == card.training_events
    assert quick.scans["steps"].values == (1, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "each be given once"),
        ({"sedes": [1]}, "'sedes' at line 16: unknown key .* did you mean seeds"),
        ({"scans": {"widths": {"analyses": ["dnn_ae"], "values": [1]}}}, "widths"),
        ({"scans": {"latent": {"analyses": ["vae"], "values": [1]}}}, "names vae"),
        ({"scans": {"latent": {"analyses": ["dnn_ae"], "values": [1.5]}}}, "whole numbers"),
        ({"scans": {"training_fraction": {"analyses": ["dnn_ae"], "values": [2]}}}, "from 0 to 1"),
        ({"analyses": ["nope"]}, "nope"),
        ({"scans": {"steps": {"analyses": ["dnn_ae"], "values": [1]}}}, "has no steps"),
        ({"compare": {"groups": {"a": ["h0"]}, "at": 0.4}}, "compare.groups names h0; there are hplus"),
        ({"compare": {"groups": {}, "scores": {"vae": ["mse"]}, "at": 0.4}}, "compare.scores names vae"),
        ({"compare": {"groups": {}, "at": 40}}, "a signal efficiency is at most 1, not 40"),
        ({"compare": {"groups": {}, "figure": "signal_efficiency", "at": 0.01}}, "at least 1, not 0.01"),
        ({"data": {"background": ["../b.h5"], "signals": {"x": ["x.h5"]}}}, "must be a path below a folder"),
    ],
)
def test_cards_that_do_not_fit_are_refused(changes, message: str, examples: Path, tmp_path: Path) -> None:
    name = write(tmp_path / "card.yaml", **changes)
    with pytest.raises(CardError, match=message):
        study(name, options=StudyOptions(tmp_path / "out", data=examples))
    assert not (tmp_path / "out").exists()


def test_files_are_those_given_or_those_of_the_folder(examples: Path, tmp_path: Path) -> None:
    card = StudyCard.model_validate(ONE)
    files = find_files(card, examples)
    assert [p.name for p in files.everything()] == ["background.h5", "hplus.h5"]
    given = find_files(
        card, None, [str(examples / "lq.h5")], [str(examples / "h0.h5")], {"x": [str(examples / "a4l.h5")]}
    )
    assert [p.name for p in given.everything()] == ["lq.h5", "h0.h5", "a4l.h5"]
    with pytest.raises(UsageError, match="give --samples"):
        find_files(card, None, [str(examples / "lq.h5")])
    with pytest.raises(InputDataError, match="no file of hplus; looked for no"):
        find_files(card, tmp_path)
    with pytest.raises(InputDataError, match="is not a folder"):
        find_files(card, tmp_path / "no")
    copy = tmp_path / "copy.h5"
    copy.write_bytes((examples / "background.h5").read_bytes())
    with pytest.raises(InputDataError, match="also the training background"):
        find_files(card, examples, evaluation=[str(copy)])


def test_the_published_names_are_found(tmp_path: Path) -> None:
    names = [
        "background_for_training.h5",
        "hToTauTau_13TeV_PU20_filtered.h5",
        "hChToTauNu_13TeV_PU20_filtered.h5",
        "Ato4l_lepFilter_13TeV_filtered.h5",
        "leptoquark_LOWMASS_lepFilter_13TeV_filtered.h5",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    files = find_files(load_study("adc2021"), tmp_path)
    assert [p.name for p in files.everything()] == names
    assert list(files.signals) == ["h0", "hplus", "a4l", "lq"]
    assert files.evaluation == ()


def test_spread() -> None:
    value = spread([1.0, 2.0, 3.0])
    assert (value.mean, value.std, value.trainings, value.is_lower_limit) == (2.0, 1.0, 3, False)
    assert (value.words(2), value.words(1, 100)) == ("2.00 ± 1.00", "200.0 ± 100.0")
    assert spread([1.0]).std is None
    assert spread([Estimate(1.0, is_lower_limit=True)]).words(1) == "> 1.0"
    assert spread([Estimate(1.0), Estimate(3.0, is_lower_limit=True)]).is_lower_limit


def bundle_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def plain(monkeypatch) -> None:
    """Studies without figures, which take longer than these trainings."""
    monkeypatch.setattr("hepad.pipeline.study.run.draw_figures", lambda *_: [])


def test_an_interrupted_study_goes_on_without_a_flag(plain, examples: Path, tmp_path: Path) -> None:
    name = write(tmp_path / "card.yaml")
    whole = study(name, options=StudyOptions(tmp_path / "whole", data=examples))
    assert whole.trained == 1

    def interrupt(end) -> None:
        if end.epoch == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="run the same command to go on") as caught:
        study(name, options=StudyOptions(tmp_path / "cut", data=examples, on_epoch=interrupt))
    assert caught.value.exit_code == 130
    trainings = tmp_path / "cut" / "trainings"
    name_of_it = next(iter(whole.results.trainings))
    assert {p.name for p in trainings.iterdir()} == {f"{name_of_it}.checkpoint", f"{name_of_it}.run"}
    epochs: list[int] = []
    rest = study(
        name, options=StudyOptions(tmp_path / "cut", data=examples, on_epoch=lambda end: epochs.append(end.epoch))
    )
    assert epochs == list(range(5, 13))
    assert rest.content() == whole.content()
    assert bundle_bytes(trainings) == bundle_bytes(tmp_path / "whole" / "trainings")


COMPARE = {
    "groups": {"taus": ["h0", "hplus"], "Quarks": ["lq"]},
    "scores": {"dnn_ae": ["mse"]},
    "at": 0.4,
    "order": {"subsets": 20, "events": 100},
    "published": {"vae": {"mse": {"auc": {"h0": 71.5, "taus": [70.0, 2.0]}}}},
}
SIGNALS = {"lq": ["l?.h5"], "h0": ["h0.h5"], "hplus": ["hplus.h5"]}


def test_scores_side_by_side(plain, examples: Path, tmp_path: Path) -> None:
    data = {"background": ["background.h5"], "signals": SIGNALS}
    card = write(tmp_path / "card.yaml", analyses=["dnn_ae", "vae"], rejection_at=0.4, data=data, compare=COMPARE)
    report = study(card, options=StudyOptions(tmp_path / "out", data=examples))
    rows = {row.analysis: row for row in report.compared}
    assert {name: row.score for name, row in rows.items()} == {"dnn_ae": "mse", "vae": "mse"}
    for analysis, row in rows.items():
        (name,) = report.results.plan.table[analysis]
        measured = report.results.trainings[name]
        for signal_name in SIGNALS:
            assert row.auc[signal_name].mean == measured.auc[signal_name]
            assert row.figure[signal_name].mean == pytest.approx(1 / measured.rejection[signal_name].value, rel=1e-12)
        assert row.auc["taus"].mean == pytest.approx((measured.auc["h0"] + measured.auc["hplus"]) / 2, rel=1e-12)
        assert row.figure["Quarks"] == row.figure["lq"]
    one, two = report.ordered
    assert (one.better, one.other) == (two.other, two.better) == (("dnn_ae", "mse"), ("vae", "mse"))
    for signal_name in SIGNALS:
        assert one.by_signal[signal_name].violation_ratio == pytest.approx(
            1 - two.by_signal[signal_name].violation_ratio
        )
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| model | score | lq | mean Quarks | h0 | hplus | mean taus |" in page
    assert re.search(r"\| +published \| +\| +\| +\| 71.5 \| +\| 70 ± 2 \|", page)
    assert "background efficiency at signal efficiency 0.4" in page
    events = len(report.results.samples["vae"]["background"])
    assert f"One of the {events} background events is {100 / events:.2g} %" in page
    assert f"less than {100 * 2.9957 / events:.2g} % at 95 % confidence" in page  # -ln 0.05
    content = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert content["compared"][1]["auc"]["taus"]["mean"] == rows["vae"].auc["taus"].mean
    assert len(content["order"]) == 2


def test_the_figure_is_that_of_the_card() -> None:
    curve = roc_curve([1.0, 2.0, 3.0, 4.0], [0.0, 0.5, 1.5, 2.5])
    efficiency = CompareCard.model_validate({"groups": {}, "figure": "signal_efficiency", "at": 4})
    assert (
        figure_of(curve, efficiency) == 0.75
    )  # a background event of four is at 2.5; 3 and 4 are above, and 2.5 is not
    kept = CompareCard.model_validate({"groups": {}, "at": 0.75})
    assert figure_of(curve, kept) == 0.25


def test_another_card_or_input_trains_under_another_name(plain, examples: Path, tmp_path: Path) -> None:
    options = StudyOptions(tmp_path / "out", data=examples)
    first = study(write(tmp_path / "card.yaml"), options=options)
    assert study(write(tmp_path / "card.yaml", title="Another title"), options=options).trained == 0
    more = study(write(tmp_path / "card.yaml", updates=13), options=options)
    aside = study(write(tmp_path / "card.yaml", evaluation={"fraction": 0.25, "seed": 6}), options=options)
    assert (more.trained, aside.trained) == (1, 1)
    bare, numbers = formatted_losses(first.card, first.results), formatted_table(first.card, first.results)
    assert bare.header == ["model", "trainings", "loss", "validation"]  # none is published in this card
    assert numbers.header[2:] == ["AUC", "published", "1/eps_b(0.3)", "published"]  # but in that of the analysis
    changes = {"loss_unit": 1e-3, "published_loss": {"dnn_ae": (2e-3, 1e-4)}}
    table = formatted_losses(first.card.model_copy(update=changes), first.results)
    assert table.header[2:] == ["loss [0.001]", "validation [0.001]", "published [0.001]"]
    assert table.rows[0][-1] == "2.00 ± 0.10"
    assert float(table.rows[0][2]) == pytest.approx(
        1e3 * first.results.loss(first.results.plan.table["dnn_ae"]).mean, abs=0.005
    )
    names = {next(iter(report.results.trainings)) for report in (first, more, aside)}
    assert {p.name for p in (tmp_path / "out" / "trainings").iterdir()} == names
    assert len(names) == 3


@pytest.mark.usefixtures("quick_processes")
def test_trainings_side_by_side_are_those_one_after_the_other(examples: Path, tmp_path: Path) -> None:
    card = StudyCard.model_validate({**ONE, "seeds": [1, 2, 3], "updates": 2})
    data = StudyData(find_files(card, examples), card)
    plan = make_plan(card, data)
    places = []
    for workers in (1, 2):
        output = tmp_path / str(workers)
        output.mkdir()
        run = run_trainings(
            plan, data, output, workers=workers, on_training=lambda place, total, _: places.append((place, total))
        )
        assert run == 3
        assert run_trainings(plan, data, output, workers=workers) == 0
    assert places == [(1, 3), (2, 3), (3, 3)] * 2
    assert bundle_bytes(tmp_path / "1") == bundle_bytes(tmp_path / "2")
    alone, beside = (measure(plan, data, tmp_path / "1", workers=workers) for workers in (1, 2))
    assert list(alone.trainings) == list(beside.trainings) == list(plan.trainings)
    assert [t.to_json() for t in alone.trainings.values()] == [t.to_json() for t in beside.trainings.values()]


def test_a_folder_with_other_things_is_left_alone(examples: Path, tmp_path: Path) -> None:
    name = write(tmp_path / "card.yaml")
    for place in ("notes.txt", "figures/notes.txt", "report.html", "figures/roc.png"):
        folder = tmp_path / place.replace("/", "_")
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_text("mine")
        with pytest.raises(OutputError, match=rf"holds {Path(place).name}, which hepad did not write"):
            study(name, options=StudyOptions(folder, data=examples))
        assert [p for p in folder.rglob("*") if p.is_file()] == [folder / place]
    with pytest.raises(OutputError, match="does not exist"):
        study(name, options=StudyOptions(tmp_path / "no" / "out", data=examples))


def test_documents_escape_and_embed(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"abc")
    blocks = [
        document.Heading("A < B", 1),
        document.Text("1 & 2"),
        document.Table(["name", "value"], [["<x>", "1"]]),
        document.Figure("x.png", "A picture"),
        document.Code("a: <b>\n"),
    ]
    page = to_html(blocks, tmp_path)
    assert "<title>A &lt; B</title>" in page
    assert "&lt;x&gt;" in page
    assert "data:image/png;base64,YWJj" in page
    text = document.to_markdown(blocks)
    assert "| name | value |\n| --- | ---: |\n| \\<x> | 1 |" in text
    assert "![A picture](x.png)\n\nA picture" in text


def test_what_was_published_is_drawn_whichever_card_holds_it() -> None:
    def published(study: str, analysis: str, score: str, signal: str) -> tuple[float, float] | None:
        planned = SimpleNamespace(analysis=analysis, recipe=load_analysis(analysis))
        return _published_auc(load_study(study), SimpleNamespace(planned=planned, scores={score: None}), signal)

    assert published("adc2021", "snn_ae", "mse", "h0") == (0.719, 0.014)
    assert published("adc2021", "vae", "mse", "h0") is None
    assert published("darkshowers", "ntracks", "value", "suep_125") == pytest.approx((0.7868, 0.0))
    assert published("normalised_jets", "ae_jets", "mse", "svj") == pytest.approx((0.525, 0.035))
