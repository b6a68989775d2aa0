from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.models.rmm_ae import RmmAutoencoder
from hepad.testing.examples import example_batch, example_layout


def test_the_network_has_the_published_layers() -> None:
    scorer = RmmAutoencoder({}, Layout.vector([f"cell{i}" for i in range(1287)]))
    widths = [array.shape[0] for array in scorer.state().values() if array.ndim == 2]
    assert widths == [800, 400, 200, 400, 800, 1287]


def test_the_score_is_the_logarithm_of_the_mean_absolute_error() -> None:
    events = example_batch("rmm", 50, seed=6)
    scorer = RmmAutoencoder({"layers": [5, 2], "slope": 0.1, "gain": 8.0}, example_layout())
    y = 8 * events.x
    weights = [array.astype(np.float32) for array in scorer.state().values()]
    for index in range(0, len(weights), 2):
        if index:
            y = np.where(y > 0, y, 0.1 * y)
        y = y @ weights[index].T + weights[index + 1]
    difference = events.x - y / 8
    scores = scorer.scores(events)
    np.testing.assert_allclose(scores["log_mae"], np.log(np.abs(difference).mean(axis=1)), rtol=1e-5)
    np.testing.assert_allclose(scores["mse"], np.square(difference).mean(axis=1), rtol=1e-5)


def test_a_perfect_reconstruction_has_a_score() -> None:
    events = example_batch("rmm", 3, seed=6)
    scorer = RmmAutoencoder({"layers": [6]}, example_layout())
    scorer.load_state({name: np.zeros_like(array) for name, array in scorer.state().items()})
    events.x[:] = 0
    assert np.isfinite(scorer.scores(events)["log_mae"]).all()


def test_weights_beyond_half_precision_are_refused() -> None:
    scorer = RmmAutoencoder({"layers": [6]}, example_layout())
    state = {name: np.full(array.shape, 1e6, dtype=np.float32) for name, array in scorer.state().items()}
    with pytest.raises(CardError, match="half precision"):
        scorer.load_state(state)


@pytest.mark.parametrize("config", [{"gain": 0}, {"slope": 1}, {"layers": []}])
def test_impossible_settings_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(CardError, match="model rmm_ae: key"):
        RmmAutoencoder(config, example_layout())


def test_the_bundle_scores_files_without_torch(data: Path, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from hepad.pipeline.score import ScoreOptions, score
from hepad.testing.examples import example_batch, example_layout
report = score([{str(data / "hpm_taunu_0.root")!r}], "atlas_ad_rmm", options=ScoreOptions(output=Path("s.root")))
assert report.cutflow.selected.events > 0
assert list(report.regions) == ["pb20", "pb10", "pb1", "pb0_1"]
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
