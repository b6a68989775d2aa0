"""Working points and rates of a small sample, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from hepad.bundles.systems import Training
from hepad.cards.base import parse_card
from hepad.cards.menu import MenuCard
from hepad.cards.selection import load_selection
from hepad.errors import InputDataError, UsageError
from hepad.execution.parts import Part
from hepad.objects.cutflow import CutFlow, CutStep
from hepad.pipeline.rates.beside import set_pairs
from hepad.pipeline.rates.measure import Asked, count_sample, read_tails, set_points, triggers_of
from hepad.pipeline.rates.options import RatesOptions
from hepad.pipeline.rates.output import points_table, triggers_table
from hepad.pipeline.rates.report import RatesReport
from hepad.pipeline.rates.run import _with_beside
from hepad.pipeline.rates.summary import sample_rates, signal_rows

MENU = {"schema": "menu/1", "name": "m", "title": "t", "reference": "r", "limit_khz": 100.0}
SEEDS = [
    {"name": "s", "all": [{"trigger": {"bit": "L1_S"}}]},
    {"name": "p", "all": [{"trigger": {"bit": "L1_P"}}], "prescale": 2},
]

# Crossings are 20 kHz, 1 kHz each.
A = np.array([20, 19, 18, 17, 16, 15, 14, 13, 12, 11, *[0] * 10], np.float32)
B = np.array([1, 9, 9, 9, *[2] * 15, np.nan], np.float32)
S = np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, *[0] * 9], bool)
P = np.array([0, 0, 1, *[0] * 15, 1, 1], bool)


@dataclass
class Card:
    name: str
    scores: tuple[str, ...]


@dataclass
class OneBundle:
    card: Card


@dataclass
class OneTraining:
    name: str
    bundle: OneBundle


def asked(menu: bool = True) -> Asked:
    trainings: Any = tuple(OneTraining(name, OneBundle(Card(name, ("mse",)))) for name in ("a", "b"))
    card = parse_card(MenuCard, {**MENU, "seeds": SEEDS}, "card") if menu else None
    return Asked(trainings, (load_selection("all_events"),) * 2, card)


def parts(menu: bool = True) -> list[Part]:
    found = []
    for rows in (slice(0, 7), slice(7, 20)):
        weight = np.ones(len(A[rows]))
        columns = {"weight": weight, "score0": A[rows], "score1": B[rows]}
        if menu:
            columns["seeds"] = np.packbits(np.array([S, P]).T[rows], axis=1)
        flows = {f"model{i}": CutFlow((CutStep.of("all events", weight),)) for i in range(2)}
        found.append(Part(len(weight), columns, flows=flows))
    return found


def options(**more: Any) -> RatesOptions:
    return RatesOptions(bunches=1, menu="m", **more)


def khz(count: float) -> Any:
    return pytest.approx(count * 11.2456 / 20)


def test_points() -> None:
    one = 11.2456 / 20
    found = set_points(read_tails(parts(), asked()), asked(), options(rates_khz=(3 * one, 0.4 * one, 5 * one)))
    assert [(p.model, p.point, p.threshold, p.events) for p in found.points] == [
        ("a", f"{3 * one:g} kHz", 18, 3),
        ("a", f"{5 * one:g} kHz", 16, 5),
        ("b", f"{3 * one:g} kHz", 9, 3),
        ("b", f"{5 * one:g} kHz", 9, 3),  # the next score, 2, is that of 15 more
    ]
    said = "a at 0.224912 kHz: no threshold gives so small a rate; the highest score alone is 0.562 kHz (there are 20 "
    assert found.remarks[0] == f"{said}crossings, and one of 50 is 0.224912 kHz)"
    assert "the highest score alone is 1.69 kHz" in found.remarks[1]
    pure = set_points(read_tails(parts(), asked()), asked(), options(rates_khz=(3 * one,), pure=True))
    assert [(p.threshold, p.events) for p in pure.points] == [(16, 3), (9, 2)]
    given = set_points(read_tails(parts(), asked()), asked(), options(rates_khz=(), thresholds={"b": 2.0}))
    assert [(p.model, p.point, p.threshold, p.events) for p in given.points] == [("b", "given", 2, None)]
    with pytest.raises(UsageError, match=r"a at 0.1 kHz: no threshold gives so small"):
        set_points(read_tails(parts(), asked()), asked(), options(rates_khz=(0.1,)))
    with pytest.raises(UsageError, match=r"--threshold c=.*there are a, b"):
        set_points(read_tails(parts(), asked()), asked(), options(thresholds={"c": 1.0}))
    with pytest.raises(UsageError, match=r"only the 4 with the highest scores of a are kept, which are 2.249 kHz"):
        set_points(read_tails(parts(), asked(), capacity=4), asked(), options(rates_khz=(5 * one,)))


def test_a_rate_at_which_a_trigger_has_no_scores_has_no_pair() -> None:
    one, pair = 11.2456 / 20, replace(asked(), beside="b")
    opts = options(rates_khz=(0.4 * one, 3 * one, 19 * one, 20 * one), beside="b")
    found = set_pairs(parts, read_tails(parts(), pair), pair, opts)
    assert list(found) == [("a", f"{3 * one:g} kHz"), ("a", f"{19 * one:g} kHz")]  # b has 19 scores
    silent = [replace(part, columns={**part.columns, "score1": part.columns["score1"] * np.nan}) for part in parts()]
    assert set_pairs(lambda: silent, read_tails(silent, pair), pair, opts) == {}


def test_the_trigger_beside_others_is_that_which_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is another training of the first of several models, which makes a system of both."""

    def load(models: Sequence[str]) -> list[Training]:
        texts = sorted(models, key=lambda text: [t[0] for t in models].index(text[0]))
        return [Training(text, text[0], OneBundle(Card(text, ("mse",)))) for text in texts]  # type: ignore[arg-type]

    monkeypatch.setattr("hepad.pipeline.rates.run.load_trainings", load)
    found = _with_beside(["a=1", "b=2"], options(beside="a=3"))
    assert [training.name for training in found] == ["a=1", "b=2", "a=3"]


def test_rates_in_a_sample() -> None:
    one = 11.2456 / 20
    opts, triggers = options(rates_khz=(3 * one,)), asked()
    points = set_points(read_tails(parts(), triggers), triggers, opts)
    counts, _ = count_sample(parts(), triggers, triggers_of(triggers, points, opts.points))
    found = sample_rates(counts, triggers, points, opts.points, opts.crossings, sample="set on", files=["x"])
    a, b = found.triggers
    # a: 0, 1, 2 of which s accepts 0; b: 1, 2, 3 of which s accepts 3: nothing is of one model alone.
    assert (a.total.khz, a.pure.khz, a.unique.khz) == (khz(3), khz(2), 0)
    assert (b.total.khz, b.pure.khz, b.unique.khz) == (khz(3), khz(2), 0)
    assert (a.total.events, a.total.few) == (3, True)
    # The menu keeps 0, 3, 10 and half of 2, 18, 19.
    assert found.menu.khz == khz(4.5)
    assert (a.added.khz, a.with_menu.khz) == (khz(1.5), khz(6))
    assert found.with_all[opts.points[0]].khz == khz(6)
    assert [(s.seed, s.total.khz, s.pure.khz, s.kept.khz) for s in found.seeds] == [
        ("s", khz(3), khz(3), khz(3)),
        ("p", khz(3), khz(3), khz(1.5)),
    ]
    (overlap,) = found.overlaps
    assert overlap.triggers == ("a", "b", "s", "p")
    assert overlap.events == ((3, 2, 1, 1), (2, 3, 1, 1), (1, 1, 3, 0), (1, 1, 0, 3))
    assert overlap.fractions()[0].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3])
    assert overlap.khz[0][1] == khz(2)
    assert found.pileup == ()

    rows = signal_rows(counts, triggers, points, opts.points, "sig")
    first = rows[0]
    assert (first.efficiency.value, first.menu.value) == (0.15, pytest.approx(4.5 / 20))
    assert (first.with_menu.value, first.gained.value) == (pytest.approx(0.3), pytest.approx(1.5 / 20))

    nothing: Any = ()
    report = RatesReport(1, 11.2456, False, {"a": "mse", "b": "mse"}, "m", 100.0, points.points, (found,), rows,
                         {"sig": 20}, nothing)  # fmt: skip
    assert points_table(report).rows[0][-2] == "3*"  # so few are marked
    assert triggers_table(found).rows[0][3].endswith("]*")
    assert report.to_json()["samples"][0]["triggers"][0]["total"]["few"] is True


def test_without_a_menu() -> None:
    opts, triggers = RatesOptions(bunches=1, rates_khz=(2.0,)), asked(menu=False)
    points = set_points(read_tails(parts(menu=False), triggers), triggers, opts)
    counts, _ = count_sample(parts(menu=False), triggers, triggers_of(triggers, points, opts.points))
    found = sample_rates(counts, triggers, points, opts.points, opts.crossings, sample="set on", files=["x"])
    assert (found.menu, found.seeds, found.triggers[0].pure, found.triggers[0].added) == (None, (), None, None)
    assert found.triggers[0].unique.khz == khz(1)
    assert triggers_table(found).header[-1] == "unique"
    assert signal_rows(counts, triggers, points, opts.points, "sig")[0].gained is None


def test_options() -> None:
    with pytest.raises(UsageError, match="--rate 0: rates are in kHz"):
        RatesOptions(rates_khz=(0.0,))
    with pytest.raises(UsageError, match=r"up to that of all events, 11.2456"):
        RatesOptions(bunches=1, rates_khz=(12.0,))
    with pytest.raises(UsageError, match="--pure: a rate is pure of the seeds of a menu"):
        RatesOptions(pure=True)
    assert RatesOptions(rates_khz=(5, 1, 5), thresholds={"a": 1.0}).points == ("1 kHz", "5 kHz", "given")


def test_weights_that_cancel() -> None:
    part = parts()[0]
    part.columns["weight"] = np.array([1, -1, 1, -1, 1, -1, 0.0])
    triggers = asked()
    points = set_points(read_tails(parts(), triggers), triggers, options(rates_khz=(2.0,)))
    with pytest.raises(InputDataError, match="the weights of zero bias sum to 0 over 7 events"):
        count_sample([part], triggers, triggers_of(triggers, points, ("2 kHz",)))
