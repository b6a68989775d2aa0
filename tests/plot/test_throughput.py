from __future__ import annotations

import pytest

from hepad.plot.throughput import ThroughputPoint, throughput_figure


def points(*threads: int) -> list[ThroughputPoint]:
    return [
        ThroughputPoint(name, n, batch, rate * batch, 0.1 * rate, 1e9 / rate, 2e9 / rate)
        for name, rate in (("hepad", 1e4), ("torch 2", 3e4))
        for n in threads
        for batch in (1, 16, 256)
    ]


def test_a_line_a_library_and_thread_number_and_the_limits():
    figure = throughput_figure(
        points(1, 2), title="snn_ae", caption="a processor", limits={"card: 40 ms": 4e7}, warning="busy"
    )
    left, right = figure.axes
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["hepad, 1 thread", "hepad, 2 threads", "torch 2, 1 thread", "torch 2, 2 threads"]
    assert len(left.containers) == len(right.containers) == 4
    assert left.containers[0][0].get_ydata().tolist() == [1e4, 1.6e5, 2.56e6]
    assert right.containers[0][0].get_ydata().tolist() == pytest.approx([0.1] * 3)  # ms
    assert any(list(line.get_ydata()) == [40.0, 40.0] for line in right.lines)
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    # An error of twice the value is a factor of three in both directions: nothing ends at zero.
    bar = right.containers[0][2][0].get_paths()[0].vertices[:, 1]
    assert bar.tolist() == pytest.approx([0.1 / 3, 0.3])
    assert figure.legends[0].get_title().get_text() == "busy"
    figure.canvas.draw()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="no measurement"):
        throughput_figure([])
