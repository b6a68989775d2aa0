"""Pictures of networks of images, and the study of dark showers that has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepad import registry
from hepad.cards.analysis import load_analysis
from hepad.cards.study import StudyCard, load_study
from hepad.errors import InputDataError
from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.image_quality import ssim
from hepad.pipeline.study.data import StudyData, find_files
from hepad.pipeline.study.figures import signal_points
from hepad.pipeline.study.images import PLANE, Pictures, pictures, scores_and_images
from hepad.pipeline.study.plan import make_plan
from hepad.pipeline.study.results import GRID, resolved
from hepad.samples.parting import split_events
from hepad.stats.scores.roc import roc_curve


def test_pictures_are_of_what_the_network_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    from hepad.models.codae.network import DualAutoencoder

    layout = Layout.image(("track",), 12, 16)
    scorer = DualAutoencoder({"filters": [4, 4], "latent": 2, "turn": 2}, layout)
    rng = np.random.default_rng(1)
    samples = {
        name: Batch(
            "detector_image", layout, (rng.random((n, *layout.shape)) < 0.2).astype(np.float32), None, np.ones(n)
        )
        for name, n in (("background", 5), ("svj", 3))
    }
    scores = {name: scorer.scores(batch) for name, batch in samples.items()}
    monkeypatch.setattr("hepad.pipeline.study.images._MOST", 4)  # the fifth is scored without its image
    together, images = scores_and_images(scorer, samples["background"])
    assert images is not None
    seen, made = scorer.reconstruct(samples["background"].take(slice(4)))
    np.testing.assert_array_equal(images, (seen, made))
    for name, values in scores["background"].items():
        np.testing.assert_array_equal(together[name], values)
    assert pictures(scorer, samples, scores, None) is None
    images = scorer.reconstruct(samples["background"])
    monkeypatch.undo()
    found = pictures(scorer, samples, scores, images)
    assert found is not None
    seen, made = images
    np.testing.assert_array_equal(seen, samples["background"].x[:, 0])
    squared = [float(((a.astype(float) - b) ** 2).sum()) for a, b in zip(seen, made, strict=True)]
    assert found.squared_error == pytest.approx((np.mean(squared), np.std(squared)), rel=1e-12)
    assert found.squared_error[0] == pytest.approx(np.mean(scores["background"]["sse"]), rel=1e-5)
    assert found.similarity[0] == pytest.approx(np.mean(ssim(seen[:, None], made[:, None])), rel=1e-12)
    np.testing.assert_allclose(found.shown["svj"][0], samples["svj"].x[0, 0])
    assert found.shown["svj"][1].shape == (12, 16)
    np.testing.assert_array_equal(found.plane["svj"], np.stack([scores["svj"][axis] for axis in PLANE], axis=1))


def test_a_latent_plane_has_a_colour_for_each_group_of_signals() -> None:
    names = ("background", "svj_2100", "suep_125", "svj_3100", "other")
    plane = {name: np.full((place + 1, 2), place, dtype=np.float32) for place, name in enumerate(names)}
    points = signal_points(load_study("darkshowers"), Pictures((0.0, 0.0), (0.0, 0.0), {}, plane))
    assert {name: values[:, 0].tolist() for name, values in points.items()} == {
        "SVJ": [1, 1, 3, 3, 3, 3],
        "SUEP": [2, 2, 2],
        "other": [4] * 5,
    }


def test_less_than_one_event_of_background_is_none() -> None:
    curve = roc_curve([1.0, 3.0, 3.0, 3.0], [0.0, 1.0, 3.0, 3.0])  # the first threshold keeps two events and 3/4
    drawn = resolved(curve)
    first = np.flatnonzero(drawn)[0]
    assert (drawn[:first] == 0).all()
    assert GRID[first] == pytest.approx(0.38)  # half of the 0.75 for half of the two events
    assert curve.background_efficiency_at(GRID[first - 1]) > 0
    np.testing.assert_array_equal(drawn[first:], curve.background_efficiency_at(GRID[first:]))


def test_the_study_of_dark_showers_is_of_scores_and_files_that_are_there(tmp_path: Path) -> None:
    card = load_study("darkshowers")
    assert card.compare is not None
    for analysis in card.analyses:
        recipe = load_analysis(analysis)
        scorer = registry.load(registry.SCORERS[recipe.model.name])(
            recipe.model.config, make_input(recipe.input).layout
        )
        named = {*card.compare.scores.get(analysis, ()), *card.compare.published.get(analysis, ())}
        assert named <= set(scorer.score_names), analysis
        assert set(card.compare.published[analysis]) <= set(card.compare.scores.get(analysis, scorer.score_names[:1]))
    for name in (
        "train/qcd_a.npz",
        "train/qcd_b.npz",
        "test/qcd_c.npz",
        "test/svj_2100_1_1.npz",
        "test/svj_2100_2_1.npz",
    ):
        (tmp_path / "n_tracks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "n_tracks" / name).write_bytes(name.encode())
    for name in card.data.signals:
        kind, mass = name.split("_")
        middle = f"gensim_h{mass}" if kind == "suep" else mass
        (tmp_path / "n_tracks" / "test" / f"{kind}_{middle}_9_9.npz").write_bytes(name.encode())
    files = find_files(card, tmp_path)
    assert [path.name for path in files.background] == ["qcd_a.npz", "qcd_b.npz"]
    assert [path.name for path in files.evaluation] == ["qcd_c.npz"]
    assert len(files.signals["svj_2100"]) == 3
    assert all(len(paths) == 1 for name, paths in files.signals.items() if name != "svj_2100")


def test_the_study_of_dark_showers_takes_a_folder_of_one_file_a_sample_that_lacks_some(tmp_path: Path) -> None:
    card = load_study("darkshowers")
    for name in ("qcd", "qcd_2", "suep_400", "svj_3100"):
        (tmp_path / f"{name}.npz").write_bytes(name.encode())
    files = find_files(card, tmp_path)
    assert [path.name for path in files.everything()] == ["qcd.npz", "qcd_2.npz", "suep_400.npz", "svj_3100.npz"]
    assert list(files.signals) == ["suep_400", "svj_3100"]
    for name in ("suep_400", "svj_3100"):
        (tmp_path / f"{name}.npz").unlink()
    with pytest.raises(InputDataError, match="no file of suep_125"):
        find_files(card, tmp_path)


def _write(path: Path, label: int, events: int) -> None:
    """A file of images as the authors of the study have them: each event's number of tracks is its entry."""
    images = np.zeros((events, 72, 58, 3), dtype=np.float32)
    images[:, 3:6, 10:14, 0] = 1.0
    counts = np.arange(events, dtype=np.float32)[:, None]
    np.savez(path, images=images, labels=np.full(events, float(label)), masses=np.zeros(events), n_tracks=counts)


def test_a_labelled_training_reads_signals_and_is_measured_on_others(tmp_path: Path) -> None:
    for name, label, events in (("qcd", 0, 100), ("qcd_2", 0, 6), ("suep_400", 1, 60), ("svj_2100", 2, 30)):
        _write(tmp_path / f"{name}.npz", label, events)
    card = load_study("darkshowers").model_copy(update={"analyses": ("ntracks", "cct"), "seeds": (1,)})
    data = StudyData(find_files(card, tmp_path), card)
    plan = make_plan(card, data)
    plain, labelled = (plan.trainings[plan.table[name][0]] for name in card.analyses)
    assert (plain.labelled, labelled.labelled, labelled.regions) == (False, True, {})
    assert data.kept_away(labelled=False) is None  # qcd_2 is there to measure on
    aside = data.kept_away(labelled=True)
    assert aside is not None
    assert [path.name for path in data.trained_on(labelled=True)] == ["qcd.npz", "suep_400.npz", "svj_2100.npz"]
    samples = data.samples(load_analysis("cct"), labelled=True)
    split = split_events(samples.ids, labelled.train, 1, aside)
    used = {
        (int(samples.ids.file[row]), int(samples.ids.entry[row]))
        for part in (split.train, split.validation, split.holdout)
        for row in part
    }
    everything = data.samples(load_analysis("ntracks")).evaluation
    for place, name in enumerate(data.files.signals, start=1):
        measured = {(place, int(count)) for count in samples.evaluation[name].beside["track_count"]}
        assert measured.isdisjoint(used)
        assert len(measured) + sum(file == place for file, _ in used) == len(everything[name])
        assert len(measured) > 0
    assert len(samples.evaluation["background"]) == len(everything["background"]) == 6
    assert {file for file, _ in used} == {0, 1, 2}
    assert labelled.train.epochs == 3000  # one update each, as many as the card asks for
    with pytest.raises(ValueError, match=r"labelled.fraction 0.5 is less than the 0.6"):
        StudyCard.model_validate(
            {**card.model_dump(mode="json", by_alias=True), "evaluation": {"fraction": 0.6, "seed": 1}}
        )
