"""Quantities of the four leading leptons, against pairs and four-momenta by the package `vector`, event by event."""

from __future__ import annotations

from itertools import combinations

import awkward as ak
import numpy as np
import pytest
import vector

from hepad.cards.input import parse_input
from hepad.errors import CardError
from hepad.inputs.base import make_input
from hepad.io.memory import events_from

NAMES = (
    *("leptons_n", "leptons_ht", "leptons_pt", "leptons_mass", "leptons_mt", "zpair_pt", "zpair_mass", "zpair_mt"),
    *("otherpair_pt", "otherpair_mass", "otherpair_mt", "zpair+lepton_heaviest", "zpair+lepton_lightest", "jets_btags"),
)
Z = 91.188


def drawn(rng: np.random.Generator, number: int, mass: float) -> list[dict[str, float]]:
    values = zip(rng.exponential(40, number) + 10, rng.normal(0, 1.5, number), rng.uniform(-3, 3, number), strict=True)
    found = [{"pt": p, "eta": e, "phi": f, "mass": mass, "charge": int(rng.choice([-1, 1]))} for p, e, f in values]
    return sorted(found, key=lambda one: -one["pt"])


def momentum(one: dict[str, float]) -> vector.Vector:
    return vector.obj(pt=one["pt"], eta=one["eta"], phi=one["phi"], mass=one["mass"])


def mt(system: vector.Vector, met: vector.Vector) -> float:
    energy = np.hypot(system.mass, system.pt) + met.rho
    return float(np.sqrt(max(energy**2 - (system.px + met.x) ** 2 - (system.py + met.y) ** 2, 0)))


def expected(electrons: list, muons: list, met: vector.Vector, tags: list[bool]) -> dict[str, float]:
    every = [(one, "e") for one in electrons] + [(one, "m") for one in muons]
    found = {"leptons_n": len(every), "leptons_ht": sum(one["pt"] for one, _ in every), "jets_btags": sum(tags)}
    if len(every) < 4:
        return found
    four = sorted(every, key=lambda pair: -pair[0]["pt"])[:4]
    p = [momentum(one) for one, _ in four]

    def place(pair: tuple[int, int]) -> tuple[int, float]:
        (a, fa), (b, fb) = (four[i] for i in pair)
        opposite = a["charge"] != b["charge"]
        return (0 if opposite and fa == fb else 1 if opposite else 2), abs((p[pair[0]] + p[pair[1]]).mass - Z)

    i, j = min(combinations(range(4), 2), key=place)
    k, m = (n for n in range(4) if n not in (i, j))
    systems = {"zpair": p[i] + p[j], "otherpair": p[k] + p[m], "leptons": p[0] + p[1] + p[2] + p[3]}
    for name, system in systems.items():
        found |= {f"{name}_pt": system.pt, f"{name}_mass": system.mass, f"{name}_mt": mt(system, met)}
    three = sorted((systems["zpair"] + p[n]).mass for n in (k, m))
    return found | {"zpair+lepton_lightest": three[0], "zpair+lepton_heaviest": three[1]}


def test_all_quantities_are_those_of_the_pairs_and_momenta() -> None:
    rng = np.random.default_rng(4)
    rows, truth = [], []
    for number in range(60):
        electrons, muons = drawn(rng, number % 5, 5e-4), drawn(rng, int(rng.integers(0, 4)), 0.1057)
        size, angle = float(rng.exponential(30)), float(rng.uniform(-3, 3))
        tags = [bool(tag) for tag in rng.integers(0, 2, 2)]
        jets = [{"pt": 50.0, "eta": 0.0, "phi": 0.0, "mass": 5.0, "btag": tag} for tag in tags]
        rows.append({"electrons": electrons, "muons": muons, "jets": jets, "met": {"pt": size, "phi": angle}})
        truth.append(expected(electrons, muons, vector.obj(rho=size, phi=angle), tags))
    with_four = [len(t) > 3 for t in truth]
    assert 20 < sum(with_four) < 60
    columns = {name: ak.Array([row[name] for row in rows]) for name in ("electrons", "muons", "jets", "met")}
    made = make_input(parse_input({"kind": "event_features", "features": list(NAMES), "scale": "none"}, "a card"))
    batch = made(events_from(columns))
    for column, name in enumerate(NAMES):
        has = np.array([name in t for t in truth])
        np.testing.assert_array_equal(batch.there[:, column], has)
        np.testing.assert_allclose(batch.x[has, column], [t[name] for t in truth if name in t], rtol=2e-5, atol=2e-3)


def test_a_logarithmic_scale_standardises_the_signed_logarithms() -> None:
    names = ["jets_ht", "jet1_eta"]
    card = parse_input({"kind": "event_features", "features": names, "scale": "log"}, "a card")
    jets = [[{"pt": pt, "eta": eta, "phi": 0.0, "mass": 1.0, "btag": False}] for pt, eta in ((9.0, -1.0), (99.0, 2.0))]
    events = events_from({"jets": ak.Array(jets)})
    made = make_input(card)
    logs = np.array([[np.log(10), -np.log(2)], [np.log(100), np.log(3)]])
    fitted = made.fitted(made.raw(events))
    np.testing.assert_allclose(fitted(events).x, [[-1, -1], [1, 1]], rtol=1e-5)  # two values are one deviation away
    np.testing.assert_allclose(fitted.scale.gain, 2 / (logs[1] - logs[0]), rtol=1e-5)
    again = type(made).from_state(card, fitted.state())
    np.testing.assert_array_equal(again(events).x, fitted(events).x)


def test_what_is_no_quantity_of_leptons_is_refused() -> None:
    with pytest.raises(CardError, match="of zpair there are pt, mass, mt"):
        parse_input({"kind": "event_features", "features": ["zpair_eta"]}, "a card")
