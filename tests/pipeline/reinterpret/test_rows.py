from __future__ import annotations

from hepad.pipeline.reinterpret.rows import CutRow, told_once


def row(category: str, name: str, events: int) -> CutRow:
    return CutRow(category, name, events, float(events), 0.0, 0.0, 0.0)


def test_steps_that_all_categories_begin_with_are_told_once() -> None:
    """And no other: of a step of the same name the events differ, and what follows it is told of each."""
    a = [row("a", "all", 9), row("a", "jets", 5), row("a", "met", 2), row("a", "last", 1)]
    b = [row("b", "all", 9), row("b", "jets", 5), row("b", "met", 3), row("b", "last", 1)]
    told = told_once([*a, *b])
    assert [name for name, _ in told] == ["all", "jets", "a: met", "a: last", "b: met", "b: last"]
    assert [step.events for _, step in told] == [9, 5, 2, 1, 3, 1]
    assert [name for name, _ in told_once(a)] == ["all", "jets", "met", "last"]
