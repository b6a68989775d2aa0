"""Casts against exact arithmetic with fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.nn.fixed_point import FixedType, fraction_of

from ..hls import Kind

types = st.builds(
    lambda u, width, integer, rounding, overflow: f"ap_{u}fixed<{width},{integer},{rounding},{overflow}>",
    st.sampled_from(["", "u"]),
    st.integers(2, 16),
    st.integers(-2, 12),
    st.sampled_from(["AP_TRN", "AP_RND", "AP_RND_CONV"]),
    st.sampled_from(["AP_WRAP", "AP_SAT"]),
)


@given(types, st.lists(st.integers(-(2**22), 2**22), min_size=1, max_size=20), st.integers(0, 8))
def test_a_cast_is_that_of_exact_arithmetic(text: str, whole: list[int], bits: int) -> None:
    kind, oracle = FixedType.parse(text), Kind.of(text)
    expected = [float(oracle(Fraction(number, 2**bits))) for number in whole]
    for dtype in (np.float64, np.float32):
        x = np.array(whole, dtype=dtype) / dtype(2**bits)
        found = kind.cast(x)
        assert found.dtype == dtype
        assert found.tolist() == expected
        assert (found >= kind.low).all()
        assert (found <= kind.high).all()
        assert kind.cast(found).tolist() == expected
        assert x.tolist() == [number / 2**bits for number in whole]


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [  # by hand
        ("ap_fixed<8,6,AP_RND_CONV,AP_SAT>", 1.125, 1.0),
        ("ap_fixed<8,6,AP_RND_CONV,AP_SAT>", 1.375, 1.5),
        ("ap_fixed<8,6,AP_RND,AP_SAT>", 1.125, 1.25),
        ("ap_fixed<8,6>", -0.1, -0.25),
        ("ap_fixed<8,6>", 32.0, -32.0),
        ("ap_fixed<8,6,AP_RND,AP_SAT>", 40.0, 31.75),
        ("ap_ufixed<5,2,AP_RND,AP_SAT,AP_SAT>", -3.0, 0.0),
        ("ap_ufixed<5,2,AP_RND,AP_SAT,0>", 9.0, 3.875),
        ("ap_uint<10>", 1030.0, 6.0),
    ],
)
def test_modes_by_hand(text: str, value: float, expected: float) -> None:
    assert FixedType.parse(text).cast(np.array([value])).tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ap_fixed<8>", "not a type"),
        ("float", "not a type"),
        ("ap_fixed<8,6,AP_RND_ZERO>", "known are the modes AP_TRN, AP_RND, AP_RND_CONV"),
        ("ap_fixed<8,6,AP_RND,AP_SAT_SYM>", "known are the modes"),
        ("ap_fixed<8,6,AP_RND,AP_WRAP,2>", "saturation bits"),
        ("ap_fixed<64,6>", "widths from 1 to 48"),
    ],
)
def test_what_is_not_known_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FixedType.parse(text)


def test_bits_after_the_point() -> None:
    assert [fraction_of(np.array([x])) for x in (0.0, 3.0, 0.5, 0.375, -(2.0**-20))] == [0, 0, 1, 3, 20]
    assert str(FixedType.parse("ap_fixed< 8 , 6 , AP_RND , AP_SAT , 0 >")) == "ap_fixed<8,6,AP_RND,AP_SAT>"
    assert str(FixedType.parse("ap_ufixed<18,14>")) == "ap_ufixed<18,14>"
