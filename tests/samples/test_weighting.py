"""Weights in pb: what an event stands for, in a training and the regions that rest on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepad.bundles.bundle import load_bundle
from hepad.cards.analysis import AnalysisCard, RegionSpec
from hepad.cards.base import parse_card
from hepad.cards.bundle import parse_region
from hepad.cards.selection import load_selection
from hepad.errors import CardError, InputDataError, UsageError
from hepad.execution.run import Run
from hepad.inputs.base import make_input
from hepad.inputs.rmm import RmmCard
from hepad.pipeline.explain.options import ExplainOptions
from hepad.pipeline.explain.run import explain
from hepad.pipeline.score import ScoreOptions, score
from hepad.pipeline.train.run import TrainOptions, train, train_in_memory
from hepad.samples.background import read_background
from hepad.samples.scoring import SampleJob, sample_of
from hepad.samples.weighting import CrossSections, PbWeights, parse_cross_section

PATHS = [Path("a/w_0.root"), Path("a/w_1.root"), Path("b/z.root")]

RECIPE = {
    "schema": "analysis/1",
    "name": "mine",
    "title": "A test",
    "reference": "none",
    "fidelity": "inspired",
    "selection": "adfilter_0",
    "input": {"kind": "rmm"},
    "model": {"name": "rmm_ae", "layers": [6], "gain": 100},
    "train": {"epochs": 2, "batch_size": 50, "holdout_fraction": 0.4},
    "regions": {"most": {"cross_section_pb": 50}},
}


@pytest.mark.parametrize("text", ["w.root", "=3", "w.root=", "w.root=many", "w.root=0", "w.root=-1", "w.root=nan"])
def test_what_is_no_cross_section_is_refused(text):
    with pytest.raises(UsageError, match="FILE_OR_GLOB=PB"):
        parse_cross_section(text)


def test_the_files_of_a_pattern_are_one_sample():
    sections = CrossSections.of([("w_*.root", 30.0), ("b/z.root", 5.0)], PATHS)
    assert sections.sample == (0, 0, 1)
    assert sections.words() == ("w_*.root=30.0", "z.root=5.0")
    weights = PbWeights(sections)
    for file, weight in ((0, 3.0), (1, 3.0), (2, 1.0), (2, 1.0)):
        weights.add(file, weight)
    np.testing.assert_allclose(weights.factors(), [30 / 6, 30 / 6, 5 / 2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([("w_*.root", 1.0)], "b/z.root needs one cross section in pb, found none"),
        ([("*", 1.0), ("z.root", 1.0)], "z.root needs one cross section in pb, found '\\*' and 'z.root'"),
        ([("*", 1.0), ("t.root", 1.0)], "'t.root' matches none of the files"),
    ],
)
def test_every_file_needs_one_cross_section(given, said):
    with pytest.raises(UsageError, match=said):
        CrossSections.of(given, PATHS)


def test_a_sample_without_weight_is_refused():
    counted = PbWeights(CrossSections.of([("*", 1.0)], PATHS[:1]))
    counted.add(0, 0.0)
    with pytest.raises(InputDataError, match="sum to 0"):
        counted.factors()


def test_a_region_may_wait_for_the_cross_section_of_the_background():
    name, spec = parse_region("gold=cross_section:10")
    assert (name, spec.efficiency) == ("gold", None)
    assert spec.completed(200.0).efficiency == pytest.approx(0.05)
    assert parse_region("gold=cross_section:10/400")[1].completed(200.0).efficiency == pytest.approx(0.025)
    with pytest.raises(CardError, match="--cross-section"):
        spec.completed(None)
    with pytest.raises(CardError, match="cross_section_pb 10 exceeds"):
        spec.completed(5.0)
    assert RegionSpec(threshold=1.0).completed(None).threshold == 1.0


@pytest.fixture(scope="module")
def samples(examples, data):
    return [examples / "w_lnu.root", data / "hpm_taunu_0.root"]


@pytest.fixture(scope="module")
def bundle(samples, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine"
    card = parse_card(AnalysisCard, RECIPE, "here")
    options = TrainOptions(output=output, cross_sections=[("w_lnu.root", 5000.0), ("hpm*", 1000.0)])
    train([str(path) for path in samples], card, options=options)
    return load_bundle(str(output))


def test_weights_of_a_background_are_in_pb(samples):
    selection, vector = load_selection("adfilter_0"), make_input(RmmCard(kind="rmm"))
    alone = [read_background([path], selection, vector).cutflow for path in samples]
    sections = CrossSections.of([("w_lnu.root", 5000.0), ("hpm*", 1000.0)], samples)
    background = read_background(samples, selection, vector, cross_sections=sections, step_size=4000)
    batch, flow = background.batch, background.cutflow
    expected = [pb * f.selected.weight / f.total.weight for f, pb in zip(alone, (5000, 1000), strict=True)]
    assert batch.weight.sum() == pytest.approx(sum(expected))
    assert batch.weight[: alone[0].selected.events].sum() == pytest.approx(expected[0])
    assert flow.selected.weight == pytest.approx(sum(f.selected.weight for f in alone))


def test_a_region_in_pb_keeps_as_much_background_as_it_says(bundle, samples):
    region = bundle.card.regions["most"]
    total = bundle.background_cross_section_pb
    assert region.spec.background_cross_section_pb == total
    assert region.efficiency <= 50 / total
    assert "--cross-section w_lnu.root=5000.0 --cross-section 'hpm*=1000.0'" in bundle.card.provenance["command"]
    sections = CrossSections.of([("w_lnu.root", 5000.0), ("hpm*", 1000.0)], samples)
    run = Run(SampleJob(bundle, bundle.card.selection), samples, 100_000)
    scored = sample_of(run, cross_sections=sections)
    assert scored.weights.sum() == pytest.approx(total)
    kept = scored.weights[scored.scores["log_mae"] >= region.threshold].sum()
    assert kept == pytest.approx(50, abs=25)  # events that were held out and others
    assert bundle.regions({"new": RegionSpec(cross_section_pb=50)})["new"].threshold == region.threshold


def test_weights_are_kept_in_half_precision_and_scores_are_theirs(bundle, samples, tmp_path):
    assert all(array.dtype == np.float16 for array in bundle.scorer.state().values())
    fine = score([str(samples[1])], str(bundle.path), options=ScoreOptions(output=tmp_path / "a.root"))
    coarse = score([str(samples[1])], str(bundle.path), options=ScoreOptions(output=tmp_path / "b.root", step_size=400))
    assert fine.quantiles == coarse.quantiles


def test_the_score_of_a_matrix_is_not_explained_by_objects(bundle, samples, tmp_path):
    with pytest.raises(CardError, match="pairs of objects"):
        explain({"s": [str(samples[1])]}, str(bundle.path), options=ExplainOptions(output=tmp_path / "x"))


def test_a_region_in_pb_needs_cross_sections(samples, tmp_path):
    card = parse_card(AnalysisCard, RECIPE, "here")
    with pytest.raises(CardError, match="--cross-section"):
        train([str(path) for path in samples], card, options=TrainOptions(output=tmp_path / "x"))
    options = TrainOptions(
        output=tmp_path / "x",
        cross_sections=[("*", 100.0)],
        regions={"tight": RegionSpec(cross_section_pb=0.001)},
    )
    with pytest.raises(UsageError, match=r"region 'tight' .* held-out events"):
        train([str(path) for path in samples], card, options=options)


def test_a_training_without_weights_sets_its_regions_by_them(samples):
    """Its network is that of a training whose files have no cross sections; its regions know them.

    An event of the second file stands for 147 pb, more than the region keeps: most do not.
    """
    recipe = {**RECIPE, "model": {"name": "rmm_ae", "layers": [2]}}
    recipe["train"] = {**RECIPE["train"], "epochs": 1, "weighted": False}
    files, card = [str(path) for path in samples], parse_card(AnalysisCard, recipe, "here")
    sections = [("w_lnu.root", 5000.0), ("hpm*", 100_000.0)]
    counted = train_in_memory(files, card, options=TrainOptions(cross_sections=sections))
    plain = train_in_memory(files, card, options=TrainOptions(regions={}))
    weights = [name for name in plain.tensors if name.startswith("model.")]
    assert weights
    assert all(np.array_equal(counted.tensors[name], plain.tensors[name]) for name in weights)
    most = counted.report.regions["most"]
    assert 0 < most.efficiency <= 50 / most.spec.background_cross_section_pb
    assert most.spec.background_cross_section_pb > 4 * 147
