"""Published limits, excluded masses and verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import InputDataError, UsageError
from hepad.stats.limits.exclusion import Excluded, PublishedLimit, exclusion, read_published_limits, verdict
from hepad.stats.limits.limits import LimitResult

TABLE = """# made up for this test
width,mass_gev,observed_pb,expected_pb
0.03,1000,0.1,0.08
0.03,2000,0.01,0.008
0.15,1000,0.4,
0.15,2000,0.04,0.03
0.15,3000,0.02,0.01
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "limits.csv"
    path.write_text(TABLE)
    return path


def test_limits_are_interpolated_in_their_logarithm(table: Path) -> None:
    limits = read_published_limits(table)
    at = limits.at(1000, 0.03)
    assert at is not None
    assert (at.observed_pb, at.expected_pb) == (pytest.approx(0.1), pytest.approx(0.08))
    between = limits.at(1500, 0.03)
    assert between is not None
    assert between.observed_pb == pytest.approx(np.sqrt(0.1 * 0.01))
    wide = limits.at(1500, 0.09)
    assert wide is not None
    assert wide.observed_pb == pytest.approx(np.sqrt(np.sqrt(0.1 * 0.01) * np.sqrt(0.4 * 0.04)))
    assert wide.expected_pb is None  # 0.15 has no expected limit below 2000
    assert "acceptance" in wide.note


@given(mass=st.floats(min_value=0, max_value=1e4), width=st.floats(min_value=0, max_value=1))
def test_nothing_is_said_outside_the_table(tmp_path_factory: pytest.TempPathFactory, mass: float, width: float) -> None:
    path = tmp_path_factory.getbasetemp() / "limits.csv"
    if not path.exists():
        path.write_text(TABLE)
    found = read_published_limits(path).at(mass, width)
    # Between the widths both lines must reach the mass; 3000 GeV is reached at 0.15 only.
    assert (found is not None) == (0.03 <= width <= 0.15 and 1000 <= mass <= (3000 if width == 0.15 else 2000))
    if found is not None and found.observed_pb is not None:
        assert 0.01 <= found.observed_pb <= 0.4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mass,limit\n1,2\n", "header must be width,mass_gev,observed_pb,expected_pb"),
        ("", "header must be"),
        (TABLE + "0.15,4000,a,1\n", "line 8: expected four numbers"),
        (TABLE + "0.15,4000,1\n", "line 8: expected four numbers"),
        (TABLE + ",4000,1,1\n", "line 8: width and mass"),
        (TABLE + "0.15,4000,0,1\n", "limits must be above zero"),
        (TABLE + "0.15,3000,1,1\n", "once"),
        ("width,mass_gev,observed_pb,expected_pb\n", "needs rows"),
    ],
)
def test_a_bad_table_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputDataError, match=message) as error:
        read_published_limits(path)
    assert "bad.csv" in str(error.value)
    with pytest.raises(InputDataError, match="cannot be read"):
        read_published_limits(tmp_path / "absent.csv")


def test_the_crossing_of_power_laws_is_exact() -> None:
    masses = [500.0, 800.0, 1700.0, 4000.0]
    theory = [(m / 1000) ** -6 for m in masses]
    limits = [(m / 1000) ** -2 * 0.5 for m in masses]
    # m^-6 = m^-2 / 2 at the fourth root of two.
    assert exclusion(masses, theory, limits) == (
        Excluded(pytest.approx(500.0), pytest.approx(1000 * 2**0.25), from_start=True, to_end=False),
    )


def test_excluded_ranges_may_be_several_and_end_at_gaps() -> None:
    masses = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    ranges = exclusion(masses, [0.1, 10.0, 0.1, 10.0, 10.0, 10.0], [1.0, 1.0, 1.0, 1.0, None, 1.0])
    assert [(r.from_start, r.to_end) for r in ranges] == [(False, False), (False, True), (True, True)]
    assert ranges[0].low == pytest.approx(np.sqrt(2))
    assert (ranges[1].high, ranges[2].low, ranges[2].high) == (pytest.approx(4), pytest.approx(6), pytest.approx(6))
    assert exclusion([1.0, 2.0], [1.0, 1.0], [None, None]) == ()
    assert exclusion([1.0, 2.0], [1.0, 1.0], [2.0, 2.0]) == ()


@pytest.mark.parametrize(
    ("masses", "theory", "limits"),
    [([1.0], [1.0, 2.0], [1.0]), ([2.0, 1.0], [1.0, 1.0], [1.0, 1.0]), ([1.0], [0.0], [1.0]), ([1.0], [1.0], [-1.0])],
)
def test_curves_that_make_no_sense_are_refused(masses: list[float], theory: list[float], limits: list[float]) -> None:
    with pytest.raises(UsageError):
        exclusion(masses, theory, limits)


def result(observed: float | None) -> LimitResult:
    expected = np.array([1.0, 1.5, 2.0, 3.0, 4.0])
    return LimitResult(observed, expected, expected, None, np.zeros((5, 5)), "asymptotics", 0, ())


@pytest.mark.parametrize(
    ("cross_section", "limits", "status", "basis", "limit", "ratio"),
    [
        (0.5, result(2.2), "excluded", "observed", 0.22, 0.5 / 0.22),
        (0.22, result(2.2), "not excluded", "observed", 0.22, 1.0),
        (0.09, result(None), "not excluded", "expected", 0.1, 0.9),
        (0.11, result(None), "cannot say", "expected", 0.2, 0.55),
        (1e6, result(None), "cannot say", "expected", 0.2, 5e6),
        (1.0, PublishedLimit(0.5, 0.4), "excluded", "observed", 0.5, 2.0),
        (0.1, PublishedLimit(None, 0.4), "cannot say", "expected", 0.4, 0.25),
        (0.1, PublishedLimit(None, None), "cannot say", None, None, None),
        (0.1, None, "cannot say", None, None, None),
    ],
)
def test_the_verdict_has_a_number_behind_it(
    cross_section: float,
    limits: LimitResult | PublishedLimit | None,
    status: str,
    basis: str | None,
    limit: float | None,
    ratio: float | None,
) -> None:
    found = verdict(cross_section, limits, reference_pb=0.1)
    assert (found.status, found.basis, found.cross_section_pb) == (status, basis, cross_section)
    assert found.limit_pb == (None if limit is None else pytest.approx(limit))
    assert found.ratio == (None if ratio is None else pytest.approx(ratio))
    if limit is not None:
        assert f"{limit:.3g} pb" in found.reason
    json.dumps(found.to_json(), allow_nan=False)


@given(cross_section=st.floats(min_value=0, max_value=1e6))
def test_without_data_nothing_is_excluded(cross_section: float) -> None:
    assert verdict(cross_section, result(None)).status != "excluded"
    assert verdict(cross_section, result(2.0)).status != "cannot say"


def test_a_cross_section_must_be_one() -> None:
    with pytest.raises(UsageError, match="not negative"):
        verdict(-1.0, None)
