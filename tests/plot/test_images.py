"""Figures of images and of latent planes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import LogNorm, SymLogNorm

from hepad.output.figure_context import simulated
from hepad.plot.images import ShownImage, gallery_figure, plane_figure


def test_a_row_of_the_gallery_is_input_reconstruction_and_difference() -> None:
    seen = np.zeros((4, 6))
    seen[1, 2] = 1
    made = np.full((4, 6), 0.25)
    figure = gallery_figure(
        [ShownImage("QCD", seen, made), ShownImage("SUEP", made, seen)], title="CoDAE", context=simulated(True)
    )
    pictures = [axes for axes in figure.axes if axes.images]
    assert [len(figure.axes), len(pictures)] == [6 + 4, 6]
    first, second, third = (axes.images[0] for axes in pictures[:3])
    np.testing.assert_array_equal(np.asarray(first.get_array()), np.maximum(seen, 1e-3))
    np.testing.assert_array_equal(np.asarray(second.get_array()), made)
    np.testing.assert_array_equal(np.asarray(third.get_array()), made - seen)
    assert isinstance(first.norm, LogNorm)
    assert isinstance(third.norm, SymLogNorm)
    texts = [text.get_text() for axes in pictures[:3] for text in axes.texts]
    assert {"Input", "Reconstruction", "Difference", "CoDAE"} <= set(texts)
    assert "SUEP" in {text.get_text() for text in pictures[3].texts}
    assert pictures[3].get_ylabel() == r"$\eta$ [bins]"
    assert (pictures[0].get_xlabel(), pictures[3].get_xlabel()) == ("", r"$\phi$ [bins]")
    with pytest.raises(ValueError, match="no images"):
        gallery_figure([])


def test_a_plane_has_each_sample_once() -> None:
    background, signal = np.zeros((3, 2)), np.ones((2, 2))
    figure = plane_figure(background, {"SUEP": signal}, axes_titles=("a", "b"))
    (axes,) = figure.axes
    drawn = [np.asarray(points.get_offsets()) for points in axes.collections]
    np.testing.assert_array_equal(drawn[0], background)
    np.testing.assert_array_equal(drawn[1], signal)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Background", "SUEP"]
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        plane_figure(np.zeros(3), {}, axes_titles=("a", "b"))
