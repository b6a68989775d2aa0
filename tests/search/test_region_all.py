"""The region of every selected event beside those of a score."""

from __future__ import annotations

from hepad.cards.search import ALL
from hepad.search.expectation import Simulated
from hepad.search.search import prepare_search


def test_a_search_whose_regions_name_all_keeps_every_selected_event() -> None:
    """A looser region lends its shape, and limits with and without the tag stand side by side."""
    tagged = prepare_search("atlas_2025_semivisible")
    (category,) = tagged.categories
    simulated = Simulated(tagged.folder / str(tagged.card.background_events), tagged)
    every, inside = simulated.inside(category, ALL), simulated.inside(category, "tagged")
    assert every is not None
    assert inside is not None
    assert every.all()
    assert 0 < inside.sum() < every.sum()
    other = prepare_search("atlas_2023_ad_two_body")
    simulated = Simulated(other.folder / str(other.card.background_events), other)
    assert simulated.inside(other.categories[0], ALL) is None
