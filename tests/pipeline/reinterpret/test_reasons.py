"""Why nothing can be said of a signal, and the page of an exclusion curve."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepad.cards import base, search
from hepad.pipeline.reinterpret.points import parse_point
from hepad.pipeline.reinterpret.reasons import Cause, NoLimitError, Reason, Reasons, said_of_all
from hepad.pipeline.reinterpret.report import Result
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.pipeline.reinterpret.words import fraction, gev, mass_ranges, others_words, percent
from hepad.spectra import files
from hepad.stats.fits import fit
from hepad.stats.limits.exclusion import Excluded
from hepad.stats.scores.acceptance import Acceptance

from ...conftest import leave_unrendered

FEW = "too few effective events of a broad signal"


def few(have: float, need: float = 50) -> Reason:
    return Reason(Cause.FEW_SIGNAL, FEW, have, need)


def test_alike_reasons_are_merged() -> None:
    fit = Reason(Cause.FIT_FAILED, "the fit did not converge")
    groups = Reasons.merged({"a": few(9.6), "b": fit, "c": few(9.6), "d": few(9.6), "e": few(3.0, 10)})
    assert [group.words() for group in groups] == [
        f"3 channels: {FEW} (9.6 of 50 needed)",
        "b: the fit did not converge",
        f"e: {FEW} (3 of 10 needed)",
    ]
    assert groups[0].row().to_json() == {
        "channels": ["a", "c", "d"],
        "cause": "too few signal events",
        "text": f"3 channels: {FEW} (9.6 of 50 needed)",
        "have": 9.6,
        "need": 50,
        "help": "simulate at least 6 times as many events",
    }
    assert said_of_all(groups, 5) == "; ".join(group.words() for group in groups)


def test_different_numbers_are_a_range_and_the_best_says_what_helps() -> None:
    (group,) = Reasons.merged({"a": few(12.5), "b": few(2.04)})
    assert group.words() == f"a, b: {FEW} (2.04 to 12.5 of 50 needed)"
    assert group.reason.help == "simulate at least 4 times as many events"
    assert said_of_all([group], 2) == f"all 2 channels: {FEW} (2.04 to 12.5 of 50 needed)"
    assert said_of_all([group], 1) == group.words()


def test_a_reason_travels_with_the_error() -> None:
    error = NoLimitError(few(9.6))
    assert str(error) == f"{FEW} (9.6 of 50 needed)"
    assert error.reason.reached == pytest.approx(0.192)
    assert few(0.0).help is None
    assert Reason(Cause.NO_DATA, "x").help is None
    assert {cause for cause in Cause if Reason(cause, "x").help} == set(Cause) - {
        Cause.CONTROL,
        Cause.FEW_SIGNAL,
        Cause.FIT_FAILED,
        Cause.NO_DATA,
        Cause.WEAK_BACKGROUND,
    }


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (1 - 0.05 ** (1 / 5000), "0.06 %"),  # 0.05990 %
        (0.000591, "0.06 %"),
        (0.0006, "0.06 %"),
        (0.000601, "0.061 %"),
        (0.6316, "64 %"),
        (0.0999, "10 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
    ],
)
def test_upper_bounds_are_rounded_up(bound: float, text: str) -> None:
    assert percent(bound) == text


def test_masses_and_fractions() -> None:
    assert [gev(mass) for mass in (3143.5, 10250.0, 999.96, 92.5)] == ["3144", "10250", "1000", "92.5"]
    ranges = [
        Excluded(2000.0, 3143.5, from_start=True, to_end=False),
        Excluded(4000.0, 5000.0, from_start=False, to_end=True),
    ]
    assert mass_ranges(ranges) == "2000 to 3144, 4000 to 5000 GeV"
    assert mass_ranges(ranges, ends=True) == (
        "2000 to 3144 (from the lowest mass given on), 4000 to 5000 (up to the highest) GeV"
    )
    assert mass_ranges([]) == ""
    assert others_words({"region_pb0_1": 0.5, "jets_up": 1.0}) == "0.5 pb in region pb0_1, 1 pb with jets up"
    assert fraction(Acceptance(0.0, 0.1, 0.0, 0.1, upper_95=0.0006, events=0)) == "below 0.06 % (95 % CL)"
    assert fraction(Acceptance(0.25, 0.01, 0.24, 0.26, upper_95=0.3, events=3)) == "25.000% ± 1.000%"


def straight_crossing(masses: tuple[float, float], ratios: tuple[float, float]) -> float:
    """Where ln(theory / limit), a straight line in ln(mass), is zero."""
    slope, offset = np.polyfit(np.log(masses), np.log(ratios), 1)
    return float(np.exp(-offset / slope))


def assert_read_back(result: Result, text: str) -> None:
    """The file has the record, and nothing is lost on the way: neither a number, nor a type, nor the order of keys."""
    again = Result.from_json(json.loads(text))
    assert again == result
    assert json.dumps(again.to_json(), indent=2) + "\n" == text


@pytest.fixture(scope="module")
def read() -> Counter[str]:
    """How often what was called when `curve` was made."""
    return Counter()


@pytest.fixture(scope="module")
def curve(tmp_path_factory, examples, read) -> tuple[dict, str]:
    """Three masses of one sample, of which the highest is not excluded."""
    output = tmp_path_factory.mktemp("curve") / "out"
    file = examples / "wprime_xy_3p5tev.root"
    points = tuple(
        parse_point(f"{mass}={file}@{section}") for mass, section in ((3000, 0.2), (3500, 0.02), (4000, 0.002))
    )

    def counted(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def count(first: Any, *more: Any, **options: Any) -> Any:
            read[f"{what} {first.name}" if isinstance(first, Path) else what] += 1
            return call(first, *more, **options)

        return count

    with pytest.MonkeyPatch.context() as patch:
        leave_unrendered(patch)
        for module, name in ((base, "read_yaml"), (search, "read_yaml"), (files, "csv_bins"), (fit, "fisher_scoring")):
            patch.setattr(module, name, counted(name, getattr(module, name)))
        report = reinterpret([], "cms_2019_dijet", options=ReinterpretOptions(output=output, points=points))
    assert_read_back(report.result, (output / "reinterpret.json").read_text())
    return report.to_json(), (output / "report.html").read_text(encoding="utf-8")


def test_the_curve_is_the_verdict(curve) -> None:
    result, _ = curve
    table = result["points"]["table"]
    end = straight_crossing(
        (3500, 4000), tuple(row["cross_section_pb"] / row["limit_pb_observed"] for row in table[1:])
    )
    assert [row["verdict"]["status"] for row in table] == ["excluded", "excluded", "not excluded"]
    verdict = result["verdict"]
    assert verdict["status"] == "excluded"
    assert verdict["basis"] == "observed"
    assert verdict["ranges_gev"] == [{"low": 3000, "high": pytest.approx(end), "from_start": True, "to_end": False}]
    assert verdict["reason"] == f"3000 to {end:.0f} GeV (observed)"
    assert result["sample"]["mass_gev"] == 3000


def test_a_curve_reads_its_search_once_and_its_figures_fit_nothing(curve, read) -> None:
    """Three points and their figures: each spectrum once, one fit of the observed one; cards again to cite."""
    assert read == {
        "read_yaml cms_2019_dijet.yaml": 2,
        "read_yaml cms_dijet.yaml": 2,
        "read_yaml dijet4.yaml": 1,
        "csv_bins spectrum.csv": 1,
        "fisher_scoring": 1,
    }


def test_the_page_of_a_curve_begins_with_it(curve) -> None:
    result, page = curve
    headings = re.findall(r"<h[12] id=[^>]*>(.*?)</h[12]>", page)
    assert headings[0] == f"Excluded: {result['verdict']['reason']} in cms_2019_dijet"
    reason = result["verdict"]["reason"]
    answer = f"{reason[0].upper()}{reason[1:]}."
    assert headings[1:4] == ["3000 GeV: excluded", "3500 GeV: excluded", "4000 GeV: not excluded"]
    places = [page.index(text) for text in (answer, "mass [GeV]", f">{headings[1]}</h2>", "At 3000 GeV: Fraction")]
    assert places == sorted(places)
    assert page.index("At 3000 GeV: Fraction of all generated events") < page.index(f">{headings[2]}</h2>")
    assert page.count("What the search keeps") == 3


def test_a_curve_without_exclusion_says_so(examples, tmp_path: Path) -> None:
    points = tuple(parse_point(f"{mass}={examples / 'wprime_xy_3p5tev.root'}@1e-6") for mass in (3000, 4000))
    report = reinterpret([], "cms_2019_dijet", options=ReinterpretOptions(points=points))
    other = verdict = report.to_json()["verdict"]
    assert verdict["status"] == "not excluded"
    assert verdict["reason"] == "no mass from 3000 to 4000 GeV (observed)"
    points = tuple(parse_point(f"{mass}={examples / 'wprime_wz_2tev.root'}@0.1") for mass in (2000, 3000))
    report = reinterpret([], "atlas_2023_ad_two_body", options=ReinterpretOptions(points=points))
    verdict = report.to_json()["verdict"]
    assert (verdict["status"], verdict["basis"], verdict["ranges_gev"]) == ("cannot say", None, [])
    assert verdict["reason"].startswith("no mass has a limit; at 3000 GeV: ")
    assert verdict["cause"] == "too few signal events"
    assert_read_back(report.result, json.dumps(report.to_json(), indent=2) + "\n")
    own = (*vars(report.result.sample.verdict), "ranges_gev")
    assert tuple(verdict) == own  # without limits of the masses it is the verdict on the last one
    assert tuple(other) == (*(key for key in own[:-1] if key != "reason"), "reason", "ranges_gev")
