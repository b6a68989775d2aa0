"""What figures and tables call signals that are known by published numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hepad.output.figure_kinds import drawing, figure_titles, title_of, titled, unused_titles
from hepad.pipeline.evaluate.report import formatted_regions
from hepad.pipeline.evaluate.results import EvaluateReport, RegionRow
from hepad.pipeline.evaluate.titles import known_titles


def test_titles_are_those_of_the_models_study_and_the_users_own_go_before() -> None:
    rows: Any = [SimpleNamespace(signal=name, published=known) for name, known in (("a4l", {"auc": 0.9}), ("lq", {}))]
    trained: list[Any] = [SimpleNamespace(bundle=SimpleNamespace(card=SimpleNamespace(name="dnn_ae")))]
    known = known_titles(rows, trained)
    assert known == {"a4l": r"$A \to 4\ell$"}
    assert known_titles(rows, []) == {}
    with drawing((), titles={"a4l": "mine", "x": "y"}), titled({**known, "z": "w"}):
        assert figure_titles() == {"a4l": "mine", "x": "y", "z": "w"}
        assert unused_titles() == [], "nothing is drawn yet"
        assert [title_of(text) for text in ("x", "longer x", "z")] == ["y", "longer x", "w"]
        assert unused_titles() == ["a4l"]
    assert figure_titles() == {}


def test_tables_have_titles_in_characters_and_json_has_names() -> None:
    region = RegionRow("dnn_ae", "tight", 0.001, (0.1, 0.2), {"a4l": (0.3, 0.4), "lq": (0.5, 0.6)})
    events = {"background": 5, "a4l": 6, "lq": 7}
    report = EvaluateReport((), (region,), events, 0.3, (), None, titles={"a4l": r"$A \to 4\ell$"})
    assert formatted_regions(report)[0][3:] == ["background", "A \u2192 4\u2113", "lq"]
    with drawing((), titles={"lq": r"$\phi \to b\tau$"}):
        assert formatted_regions(report)[0][3:] == ["background", "A \u2192 4\u2113", "\u03c6 \u2192 b\u03c4"]
    assert list(report.content()["events"]) == ["background", "a4l", "lq"]
