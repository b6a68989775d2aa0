"""Jet features, against the definitions written out particle by particle and exact cases."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.inputs.jet_features import JetFeaturesCard
from hepad.inputs.jet_kernel import correlations
from hepad.io.memory import events_from
from hepad.io.reader import read_events

ALL = tuple(JetFeaturesCard.model_fields["features"].annotation.__args__[0].__args__)


def features(source: Path | dict[str, object], names: tuple[str, ...] = ALL, scale: str = "none") -> Batch:
    made = make_input(JetFeaturesCard(kind="jet_features", features=names, scale=scale))
    if isinstance(source, dict):
        events = events_from({name: ak.Array(value) for name, value in source.items()}, made.fields())
    else:
        (events,) = (chunk.events for chunk in read_events([source], made.fields()))
    raw = made.raw(events)
    return made.fitted(raw)(events) if scale == "standard" else raw


def test_features_are_their_definitions(data: Path) -> None:
    found = features(data / "jets.root")
    wanted = {"particles": {"pt", "eta", "phi"}, "fatjets": {"eta", "phi", "mass", "tau1", "tau2", "tau3", "tau4"}}
    (chunk,) = read_events([data / "jets.root"], wanted)
    assert found.there.all()
    for row in (0, 5, 13, 20):
        of = dict(zip(ALL, found.x[row].astype(float), strict=True))
        jet = {name: float(chunk.events.fatjets[name][row, 0]) for name in (*wanted["fatjets"], "pt")}
        pt, eta, phi = (np.asarray(chunk.events.particles[name][row], dtype=float) for name in ("pt", "eta", "phi"))
        z = pt / pt.sum()
        turn = lambda angle: np.arctan2(np.sin(angle), np.cos(angle))  # noqa: E731
        dr = lambda i, j: np.hypot(eta[i] - eta[j], turn(phi[i] - phi[j]))  # noqa: E731, B023
        e2 = sum(z[i] * z[j] * dr(i, j) for i, j in combinations(range(len(z)), 2))
        e3 = sum(
            z[i] * z[j] * z[k] * dr(i, j) * dr(i, k) * dr(j, k) for i, j, k in combinations(range(min(len(z), 99)), 3)
        )
        place = np.stack([eta, phi[0] + turn(phi - phi[0])])
        low, high = np.linalg.eigvalsh(np.cov(place, ddof=0, aweights=pt**2))
        expected = {name: jet[name] for name in ("pt", "eta", "mass", "tau1", "tau4")} | {
            "tau21": jet["tau2"] / jet["tau1"],
            "tau32": jet["tau3"] / jet["tau2"],
            "tau42": jet["tau4"] / jet["tau2"],
            "tau43": jet["tau4"] / jet["tau3"],
            "n": len(pt),
            "ptd": np.sqrt((z**2).sum()),
            "width": (z * np.hypot(eta - jet["eta"], turn(phi - jet["phi"]))).sum(),
            "leading": z.max(),
            "major": np.sqrt(high),
            "minor": np.sqrt(low),
            "e2": e2,
            "e3": e3,
            "c2": e3 / e2**2,
            "d2": e3 / e2**3,
        }
        assert {name: of[name] for name in expected} == pytest.approx(expected, rel=2e-5)


def test_what_a_jet_lacks_is_masked() -> None:
    """One particle has no ellipse and no ratios of correlations; none has nothing but their number; no jet nothing."""
    names = ("mass", "tau21", "n", "ptd", "width", "major", "e2", "d2")
    nothing = {f: [[2.0], [], [5.0]] for f in ("pt", "eta", "phi")}
    jets = {f: [[50.0], [40.0], []] for f in ("pt", "mass", "tau2")} | {f: [[2.0], [0.0], []] for f in ("eta", "phi")}
    found = features({"particles": nothing, "fatjets": {**jets, "tau1": [[0.0], [0.0], []]}}, names)
    assert found.there.tolist() == [
        [True, False, True, True, True, True, True, False],
        [True, False, True, False, False, False, False, False],
        [False] * 8,
    ]
    assert found.x[0].tolist() == [50, 0, 1, 1, 0, 0, 0, 0]
    assert not found.x[~found.there].any()


def test_correlations_of_three_equal_particles_are_exact_and_of_a_crowd_are_of_the_hardest() -> None:
    side = 0.2
    eta, phi = np.array([0, side, side / 2]), np.array([3.1, 3.1, 3.1 + side * np.sqrt(3) / 2])
    phi = np.where(phi > np.pi, phi - 2 * np.pi, phi)  # across the seam
    pt = np.full(3, 7.0)
    e2, e3 = correlations(np.array([0, 3]), pt, eta, phi, 128)[0]
    assert (e2, e3) == pytest.approx((3 * side / 9, side**3 / 27))
    crowd = np.concatenate([pt, np.full(4, 0.5)]), np.tile(eta, 3)[:7], np.tile(phi, 3)[:7]
    e2, _ = correlations(np.array([0, 7]), *crowd, 3)[0]
    assert e2 == pytest.approx(3 * side * 49 / 23**2)


def test_the_scale_is_of_the_jets_that_have_a_quantity(data: Path) -> None:
    names = ("mass", "tau21", "n")
    raw, scaled = (features(data / "jets.root", names, scale) for scale in ("none", "standard"))
    np.testing.assert_allclose(scaled.x, (raw.x - raw.x.mean(axis=0)) / raw.x.std(axis=0), rtol=2e-5, atol=1e-6)
    with pytest.raises(ValueError, match="name each quantity once"):
        JetFeaturesCard(kind="jet_features", features=("n", "n"))


def test_only_what_is_needed_is_read() -> None:
    def fields(*names: str) -> dict[str, set[str]]:
        return make_input(JetFeaturesCard(kind="jet_features", features=names)).fields()

    assert fields("mass", "tau21") == {"fatjets": {"pt", "mass", "tau1", "tau2"}}
    assert fields("n", "ptd") == {"fatjets": {"pt"}, "particles": {"pt"}}
    assert fields("width") == {"fatjets": {"pt", "eta", "phi"}, "particles": {"pt", "eta", "phi"}}
