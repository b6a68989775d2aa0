"""Published numbers beside ours: what is a difference, what is off, what is found where, and what is missing."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from typer.main import get_command

from hepad.cards.analysis import load_analysis
from hepad.cards.resolver import resolve, shipped_folder
from hepad.cards.study import load_study
from hepad.cli.main import app
from hepad.errors import CardError, CheckFailedError, FitFailedError, InputDataError, UsageError
from hepad.output.document import Answer
from hepad.pipeline.verify import run as running
from hepad.pipeline.verify.numbers import Key, analysis_numbers, study_numbers
from hepad.pipeline.verify.page import fidelity_blocks, formatted_checks, formatted_missing, markdown
from hepad.pipeline.verify.report import Check, Found, VerifyReport
from hepad.pipeline.verify.run import VerifyOptions, _asked, _record, _said, _Work, verify
from hepad.pipeline.verify.trained import read_study

QUICK = VerifyOptions(quick=True, toys=50, replicas=2)


@pytest.mark.parametrize(
    ("error", "found", "pull", "off"),
    [
        (3.0, Found(15.0, 4.0, ""), 1.0, False),  # (15 - 10) / 5
        (None, Found(4.0, 2.0, ""), -3.0, False),
        (1.0, Found(13.5, None, ""), 3.5, True),
        (None, Found(10.05, None, ""), None, False),  # without errors a hundredth is allowed
        (None, Found(10.2, None, ""), None, True),
        (0.1, Found(20.0, 0.1, "", is_limit=True), None, False),
        (0.1, None, None, False),
    ],
)
def test_a_difference_is_in_standard_deviations_of_both(
    error: float | None, found: Found | None, pull: float | None, off: bool
) -> None:
    check = Check("card", "system", "mass", 10.0, error, found=found)
    assert check.pull == (None if pull is None else pytest.approx(pull))
    assert check.is_off is off


def test_only_a_card_that_claims_to_be_exact_is_held_to_it() -> None:
    off = Check("c", "net", "AUC of x", 0.9, 0.01, fidelity="approximate", found=Found(0.5, 0.01, ""))
    VerifyReport([off]).check()
    with pytest.raises(CheckFailedError, match="net: AUC of x") as caught:
        VerifyReport([off, replace(off, fidelity="exact")]).check()
    assert caught.value.exit_code == 7


def test_all_numbers_of_a_table_are_taken_from_the_cards() -> None:
    numbers = {n.key: n.check for n in analysis_numbers(load_analysis("snn_ae"))}
    assert len(numbers) == 8
    check = numbers[Key("rejection_at_0.3", "snn_ae", None, "hplus")]
    assert (check.published, check.published_error, check.quantity) == (71.3, 2.8, "1/eps_b(0.3) of hplus")
    loss = {n.key.analysis: n.check for n in study_numbers(load_study("adc2021"))}["dnn_ae"]
    assert (loss.published, loss.published_error) == pytest.approx((5.19, 0.95))
    sizes = {(n.key.metric, n.key.analysis): n.check.published for n in study_numbers(load_study("jets"))}
    assert sizes["weights", "clip_vae"] == 103e3


@pytest.fixture
def results(tmp_path: Path) -> Path:
    spread = {"std": 0.1, "trainings": 2, "is_lower_limit": False}
    row = {
        "trainings": ["a", "b"],
        "train_loss": {"mean": 2e-5, **spread},
        "auc": {"h0": {"mean": 0.7, **spread}},
        "rejection": {"h0": {"mean": 20.0, **spread, "is_lower_limit": True}},
    }
    content = {
        "study": "adc2021",
        "card": {"rejection_at": 0.3},
        "table": {"dnn_ae": row},
        "compared": [{"analysis": "dnn_ae", "score": "mse", "auc": {"h0": {"mean": 0.6, **spread}}, "figure": {}}],
        "trainings": {"a": {"cost": {"weights": 7, "operations": 9.0}, "images": {"similarity": [0.9, 0.2]}}},
        "quick": False,
    }
    (tmp_path / "results.json").write_text(json.dumps(content))
    return tmp_path


def test_a_study_that_was_run_tells_its_numbers(results: Path) -> None:
    study = read_study(results)
    how = "study adc2021, 2 trainings"
    assert study.find(Key("auc", "dnn_ae", None, "h0")) == Found(0.7, 0.1, how)
    assert study.find(Key("auc", "dnn_ae", "mse", "h0", 100)) == Found(60.0, 10.0, how)
    assert study.find(Key("rejection_at_0.3", "dnn_ae", None, "h0")) == Found(20.0, 0.1, how, is_limit=True)
    assert study.find(Key("loss", "dnn_ae", unit=1e5)) == Found(pytest.approx(2.0), 1e4, how)
    assert study.find(Key("weights", "dnn_ae")) == Found(7, None, how)
    assert study.find(Key("similarity", "dnn_ae")) == Found(0.9, 0.2, how)
    for missing in (
        Key("rejection_at_0.5", "dnn_ae", None, "h0"),
        Key("auc", "dnn_ae", None, "lq"),
        Key("auc", "snn_ae", None, "h0"),
        Key("squared_error", "dnn_ae"),
    ):
        assert study.find(missing) is None


def test_results_that_mean_nothing_are_refused(results: Path) -> None:
    file = results / "results.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quick": True}))
    with pytest.raises(InputDataError, match="not trained"):
        read_study(results)
    file.write_text(json.dumps({"study": "adc2021", "table": {"dnn_ae": {"trainings": 2}}}))
    with pytest.raises(InputDataError, match="damaged"):
        read_study(results).find(Key("auc", "dnn_ae", None, "h0"))
    file.write_text("{}")
    with pytest.raises(InputDataError, match="give the folder that hepad study wrote"):
        read_study(results)


def test_a_bundled_network_is_measured_and_a_finished_study_beside_it(
    results: Path, tmp_path: Path, examples: Path
) -> None:
    for name in ("background", "h0", "hplus", "a4l", "lq"):
        with h5py.File(examples / f"{name}.h5") as whole, h5py.File(tmp_path / f"{name}.h5", "w") as part:
            part["Particles"] = whole["Particles"][:400]
    report = verify(["dnn_ae"], options=VerifyOptions(data=[tmp_path], trained=[results], replicas=2))
    rows = [check for check in report.checks if check.quantity == "AUC of h0"]
    assert [check.found.how for check in rows if check.found] == [
        "study adc2021, 2 trainings",
        "the bundled network, 400 background and 400 signal events",
    ]
    assert rows[1].found is not None
    assert rows[1].found.value == pytest.approx(0.76, abs=0.06)  # of all events
    header, *_ = formatted_checks(report)
    assert header == ["card", "quantity", "ours is of", "published", "measured", "difference"]
    with pytest.raises(UsageError, match="not among those that were asked for"):
        verify(["jets"], options=VerifyOptions(trained=[results]))


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """The dijet search of the examples, with a card that claims to be exact."""
    shutil.copytree(shipped_folder("examples") / "searches", tmp_path / "cards")
    card = tmp_path / "cards" / "atlas_2020_dijet.yaml"
    table = "width,mass_gev,observed_pb,expected_pb\n0.05,3000,0.0068,0.0052\n0,3000,0.1,\n"  # ours, to see the units
    card.with_name("limits.csv").write_text(table)
    text = card.read_text().replace("fidelity: approximate", "fidelity: exact")
    card.write_text(f"{text}    published: limits.csv\n")
    return card


def test_an_exact_search_is_right_until_its_numbers_are_others(search: Path, run) -> None:
    search.write_text(search.read_text().replace("published_p: 0.89", "published_p: 0.001"))
    result = run("verify", search, "--toys", 50, "-o", "report", code=7)
    assert "atlas_2020_dijet: jj: global p-value of the largest excess" in result.stderr
    folder = search.parent.parent / "report"
    checks = json.loads((folder / "verify.json").read_text())["checks"]
    assert [(check["off"], check["found"] is None) for check in checks] == [
        (False, False),
        (True, False),
        (False, True),  # of no width
        (False, False),
        (False, False),
    ]
    assert (folder / "verify.csv").read_text().count("\n") == 6
    assert "Off: one number of a card that claims to be exact." in (folder / "report.html").read_text()


def test_what_is_missing_is_said() -> None:
    report = verify(["darkshowers"], options=QUICK)
    assert not report.measured
    header, rows = formatted_missing(report)
    assert header == ["card", "needs", "numbers"]
    assert sum(int(row[2]) for row in rows) == len(report.checks) > 200
    assert ["darkshowers: ntracks", "--samples FOLDER with the files of hepad study darkshowers", "22"] in rows
    assert "Nothing was measured" in markdown(replace(report, provenance={"inputs": [], "command": "hepad verify"}))


def test_a_bundle_stands_for_the_analysis_that_it_is_of() -> None:
    asked = _asked([str(resolve("bundles", "dnn_ae"))])
    assert list(asked.bundles) == ["dnn_ae"]
    (study,) = asked.studies
    assert study.card is not None
    assert (study.card.name, len(study.numbers)) == ("adc2021", 8)


def test_names_and_options_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no analysis, search or study named 'nothing'"):
        verify(["nothing"])
    with pytest.raises(UsageError, match="cms_2019_dijet: no published number"):
        verify(["cms_2019_dijet"], options=QUICK)
    with pytest.raises(UsageError, match="--quick"):
        verify(options=VerifyOptions(quick=True, data=[tmp_path]))
    for name in ("background.h5", "h0.h5"):
        (tmp_path / name).touch()
    with pytest.raises(InputDataError, match="no file of hplus"):
        verify(["snn_ae"], options=VerifyOptions(data=[tmp_path]))
    with pytest.raises(InputDataError, match="is not a folder"):
        verify(options=VerifyOptions(data=[tmp_path / "absent"]))


RIGHT = Check("net", "net", "AUC of x", 0.9, 0.01, fidelity="exact", found=Found(0.9, 0.01, ""))


def answer(report: VerifyReport) -> Answer:
    return next(block for block in fidelity_blocks(report) if isinstance(block, Answer))


def test_the_command_that_a_report_prints_is_read_as_what_was_asked_for() -> None:
    names = [str(resolve("bundles", "dnn_ae")), "jets"]
    options = replace(QUICK, seed=3)
    command = _record(names, options, _asked(names), _Work(options, (), {}), ())["command"]
    params = get_command(app).commands["verify"].make_context("verify", shlex.split(command)[2:]).params
    assert list(params["cards"]) == ["./dnn_ae", "jets"]
    assert [params[name] for name in ("quick", "bootstrap", "toys", "seed")] == [True, 2, 50, 3]


def test_a_card_without_a_published_number_is_named_and_an_exact_one_is_not_green() -> None:
    report = verify(["cms_2019_dijet", "jets"], options=QUICK)
    assert ["cms_2019_dijet", "a published number: its card holds none", "0"] in formatted_missing(report)[1]
    assert report.content()["without_published_number"] == ["cms_2019_dijet"]
    assert answer(VerifyReport([RIGHT])).tone == "yes"
    other = VerifyReport([RIGHT], numberless={"mine": "exact", "loose": "approximate"})
    assert (answer(other).tone, other.unheld) == ("plain", ["mine"])
    assert "Held against nothing, though exact: mine." in answer(other).words
    mine, loose = formatted_missing(other)[1]
    assert ["claims to be exact" in row[1] for row in (mine, loose)] == [True, False]
    assert VerifyReport([RIGHT, replace(RIGHT, system="data", found=None)]).unheld == ["data"]


@pytest.mark.parametrize("found", [Found(math.nan, 0.1, ""), Found(math.inf, None, ""), Found(0.9, math.nan, "")])
def test_what_is_not_finite_is_refused(found: Found) -> None:
    with pytest.raises(InputDataError, match=r"net: AUC of x: ours is .*not finite"):
        RIGHT.measured(found)


def test_a_damaged_file_costs_the_numbers_of_its_card_alone(run, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "data").mkdir()
    for name in ("background.h5", "h0.h5"):
        (tmp_path / "data" / name).touch()
    monkeypatch.setattr(running, "search_checks", lambda *_: [RIGHT])
    result = run("verify", "snn_ae", "atlas_2020_dijet", "--samples", "data", "-o", "out", code=4)
    assert "not measured: adc2021: " in result.stderr
    content = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert sum(check["found"] is not None for check in content["checks"]) == 1
    assert "no file of hplus" in content["failed"]["adc2021"]
    assert "Could not be measured: adc2021." in (tmp_path / "out" / "report.html").read_text()
    error = InputDataError(
        f"{tmp_path}/data/h0.h5: damaged; or leave it out with --skip-bad-files (what is done is kept in x)"
    )
    assert _said(error, VerifyOptions(data=[tmp_path / "data"])) == "data/h0.h5: damaged"


def test_a_fit_that_fails_costs_the_numbers_of_its_search_alone(monkeypatch) -> None:
    def held(card, *_) -> list[Check]:
        if card.name == "cms_2019_dijet":
            raise FitFailedError("jj: no fit converged")
        return [RIGHT]

    monkeypatch.setattr(running, "search_checks", held)
    report = verify(["cms_2019_dijet", "atlas_2020_dijet"])
    assert [check.found is not None for check in report.checks] == [True]
    assert report.failed == {"cms_2019_dijet": "jj: no fit converged"}
    with pytest.raises(FitFailedError, match="not measured: cms_2019_dijet: jj: no fit converged"):
        report.check()
    with pytest.raises(FitFailedError, match="jj: no fit converged"):
        verify(["cms_2019_dijet"])
    with pytest.raises(InputDataError, match="not measured"):
        replace(report, cause=InputDataError).check()


def test_a_card_that_is_given_thrice_counts_once() -> None:
    asked = _asked(["snn_ae", "snn_ae", str(resolve("analyses", "snn_ae"))])
    assert [len(study.numbers) for study in asked.studies] == [8]


def test_a_number_without_errors_that_is_off_is_shown_as_off() -> None:
    bare = replace(RIGHT, published_error=None, found=Found(0.8, None, ""))
    report = VerifyReport([bare, replace(bare, found=Found(0.9, None, ""))])
    assert [row[-1] for row in formatted_checks(report)[1]] == ["off", "-"]
