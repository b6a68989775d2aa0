"""The teacher and the student of CICADA against their formulae."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.cicada.network import Cicada, balanced

REGIONS = Layout.image(("et",), 14, 18)
HIGHEST = 256 - 1 / 256


def batch(x: np.ndarray) -> Batch:
    return Batch("calo_regions", REGIONS, x.astype(np.float32), None, np.ones(len(x)))


def test_the_networks_are_of_cms_sizes() -> None:
    """323 731 weights in CMS's teacher; 20 + 4048 + 17 in the student of 2025 (v2p2p0)."""
    state = Cicada({}, REGIONS).state()
    sizes = {who: sum(a.size for name, a in state.items() if name.startswith(who)) for who in ("teacher/", "student/")}
    assert sizes == {"teacher/": 323_731, "student/": 4085}
    dense = Cicada({"filters": 0, "hidden": [15]}, REGIONS).state()  # as v1
    assert {name: a.shape for name, a in dense.items() if name.startswith("student/")} == {
        "student/dense.0.weight": (15, 252),
        "student/dense.0.bias": (15,),
        "student/dense.2.weight": (1, 15),
        "student/dense.2.bias": (1,),
    }


def test_the_teachers_score_is_32_logarithms_of_the_error() -> None:
    """A teacher without weights gives 0, or its last bias: the error is known."""
    model = Cicada({}, REGIONS)
    state = {name: np.zeros_like(array) for name, array in model.state().items()}
    x = np.zeros((5, 1, 14, 18))
    x[1] = 3.0
    x[2, 0, 4, 7] = 252.0
    x[3] = 1.0
    x[4] = 1e6
    model.load_state(state)
    expected = [0.0, 32 * np.log(9.0), 32 * np.log(252.0), 0.0, HIGHEST]
    np.testing.assert_allclose(model.scores(batch(x))["teacher"], expected, rtol=1e-6, atol=1e-5)
    state["teacher/last.bias"][:] = 1.0  # (0 - 1)^2, (3 - 1)^2, ...
    model.load_state(state)
    expected = [0.0, 32 * np.log(4.0), 32 * np.log((251.0**2 + 251) / 252), 0.0, HIGHEST]
    np.testing.assert_allclose(model.scores(batch(x))["teacher"], expected, rtol=1e-6, atol=1e-5)
    state["teacher/bottleneck.bias"][:] = np.linspace(-1, 1, 80)
    model.load_state(state)
    latent = model.embed(batch(x))
    np.testing.assert_allclose(latent, np.tile(np.maximum(np.linspace(-1, 1, 80), 0), (5, 1)), rtol=1e-6)
    assert model.embedding_layout.columns[::79] == ("z1", "z80")


def test_the_student_is_the_triggers_network() -> None:
    """Rows of a filter go along phi and columns along eta; positions are counted along phi first, as in CMS's code."""
    model = Cicada({"hidden": [3]}, REGIONS)
    rng = np.random.default_rng(3)
    state = {name: rng.normal(size=array.shape).astype(np.float32) for name, array in model.state().items()}
    x = rng.integers(0, 60, (40, 14, 18)).astype(np.float64)
    weight, bias = state["student/convolution.weight"][:, 0].astype(float), state["student/convolution.bias"]
    image = np.zeros((40, 4, 9, 7))
    for phi in range(9):
        for eta in range(7):
            patch = x[:, 2 * eta : 2 * eta + 2, 2 * phi : 2 * phi + 2].transpose(0, 2, 1)
            image[:, :, phi, eta] = np.einsum("npe,fpe->nf", patch, weight) + bias
    hidden = np.maximum(image, 0).reshape(40, -1) @ state["student/dense.0.weight"].T + state["student/dense.0.bias"]
    given = np.maximum(hidden, 0) @ state["student/dense.2.weight"][0]
    state["student/dense.2.bias"][:] = 128 - np.median(given)
    model.load_state(state)
    expected = np.clip(given + float(state["student/dense.2.bias"][0]), 0, HIGHEST)
    assert expected.min() == 0  # both ends are seen
    assert expected.max() == HIGHEST
    np.testing.assert_allclose(model.scores(batch(x[:, None]))["student"], expected, rtol=1e-5, atol=1e-2)


def test_rare_scores_weigh_more() -> None:
    """80 events in one bin, 19 in another and 1 in a third: N / (3 n), at most 5."""
    weight = balanced(np.array([10.0] * 80 + [60.0] * 19 + [100.0]), 5.0)
    np.testing.assert_allclose(weight[[0, 80, 99]], [100 / 240, 100 / 57, 5.0])
    assert balanced(np.zeros(7), 5.0).tolist() == [1.0] * 7


@pytest.mark.parametrize(
    ("config", "layout", "reason"),
    [
        ({}, Layout.image(("et",), 15, 18), "no half"),
        ({}, Layout.vector(["jet1_pt"]), "takes an image"),
        ({"kernel": 15}, REGIONS, "smaller than a kernel of 15"),
        ({"teacher_filters": [20]}, REGIONS, "teacher_filters"),
        ({"hidden": []}, REGIONS, "hidden"),
    ],
)
def test_what_does_not_fit_is_refused(config: dict[str, object], layout: Layout, reason: str) -> None:
    with pytest.raises(CardError, match=reason):
        Cicada(config, layout)
