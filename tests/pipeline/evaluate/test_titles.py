"""What figures call signals that are known by published numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hepad.output.figure_kinds import drawing, figure_titles, title_of, titled, unused_titles
from hepad.pipeline.evaluate.output import _known_titles


def test_titles_are_those_of_the_models_study_and_the_users_own_go_before() -> None:
    rows = [SimpleNamespace(signal=name, published=known) for name, known in (("a4l", {"auc": 0.9}), ("lq", {}))]
    report: Any = SimpleNamespace(rows=rows)
    trained: list[Any] = [SimpleNamespace(bundle=SimpleNamespace(card=SimpleNamespace(name="dnn_ae")))]
    known = _known_titles(report, trained)
    assert known == {"a4l": r"$A \to 4\ell$"}
    assert _known_titles(report, []) == {}
    with drawing((), titles={"a4l": "mine", "x": "y"}), titled({**known, "z": "w"}):
        assert figure_titles() == {"a4l": "mine", "x": "y", "z": "w"}
        assert unused_titles() == [], "nothing is drawn yet"
        assert [title_of(text) for text in ("x", "longer x", "z")] == ["y", "longer x", "w"]
        assert unused_titles() == ["a4l"]
    assert figure_titles() == {}
