"""The figure of counting bins shows the yields and pulls that it was given."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.output.figure_numbers import numbers_of
from hepad.plot.postfit import StackedChannel, plot_postfit
from hepad.plot.yields import plot_yields

PROCESSES = {"zz": np.array([90.0, 4.0]), "higgs": np.array([10.0, 0.0])}
ERRORS = np.array([10.0, 2.0])


def heights(figure):
    return [patch.get_height() for patch in figure.axes[1].patches]


def test_processes_are_stacked_and_the_signal_is_held_against_the_spread() -> None:
    figure = plot_yields(["a", "b"], PROCESSES, ERRORS, signal=np.array([0.0, 12.0]), signal_label="S")
    stairs = {patch.get_label(): patch.get_data() for patch in figure.axes[0].patches if patch.get_label() != "S"}
    np.testing.assert_array_equal(stairs["higgs"].values, [10, 0])  # the smaller one below
    np.testing.assert_array_equal(stairs["zz"].baseline, [10, 0])
    np.testing.assert_array_equal(stairs["zz"].values, [100, 4])
    np.testing.assert_array_equal(stairs["Uncertainty"].values, [110, 6])
    assert heights(figure) == [0, pytest.approx(12 / np.sqrt(4 + 2**2))]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["a", "b"]


def test_data_have_pulls() -> None:
    figure = plot_yields(["a", "b"], PROCESSES, ERRORS, observed=np.array([80.0, 4.0]))
    assert heights(figure) == [pytest.approx(-20 / np.sqrt(200)), 0]
    assert figure.axes[1].get_ylabel() == "Pull"
    with pytest.raises(ValueError, match="no bin"):
        plot_yields([], {}, np.zeros(0))


def test_processes_may_have_any_name() -> None:
    names = ("bin", "drawn", "data", "error")
    (row,) = numbers_of(plot_yields(["a"], dict.fromkeys(names, np.ones(1)), np.ones(1), observed=np.array([7.0])))
    assert (row["bin"], row["data"], row["process_bin"], row["process_data"]) == ("a", 7, 1, 1)
    channel = StackedChannel(
        "c", np.array([7.0]), dict.fromkeys((*names, "channel", "observed"), np.ones(1)), np.ones(1)
    )
    (row,) = numbers_of(plot_postfit([channel]))
    assert (row["channel"], row["observed"], row["sample_channel"], row["sample_observed"]) == ("c", 7, 1, 1)
