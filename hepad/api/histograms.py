"""`hist`: the mass spectrum of events, in a region or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.api.events import load_events
from hepad.api.models import Model
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import UsageError
from hepad.io.events import merge_fields
from hepad.objects.kinematics import invariant_mass, mass_fields, parse_mass
from hepad.objects.selection import apply_selection
from hepad.pipeline.hist.fill import empty_histogram, equal_bins
from hepad.pipeline.hist.run import normalisation
from hepad.samples.selected import checked_flow

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["hist"]


def hist(
    events: Any,
    mass: str,
    *,
    edges: Sequence[float] | None = None,
    bins: int | None = None,
    range: tuple[float, float] | None = None,  # noqa: A002  numpy's word for it
    selection: str | Model | None = None,
    where: npt.ArrayLike | None = None,
    cross_section_pb: float | None = None,
    luminosity_fb: float | None = None,
) -> Hist[Any]:
    """The weighted spectrum of an invariant mass as a `hist.Hist` with variances, for `bumphunt`, `fit` and `limit`.

    `events` (n,) are files or arrays in memory as in `hepad.load_events`, all in memory at once. `mass` names objects
    of the selected events, "jet1+jet2" say, counted by falling pT; an event without them is left out. Bins are given by
    their `edges` in GeV, or as `bins` of equal width in a `range`. `selection` is a name or path, or a model for its
    own; None takes every event with its objects as they are. `where` is a mask (n,) over all events given, such as
    `model.region("tight").inside(scores)`. With a cross section in pb and a luminosity in fb-1 all events given stand
    for so many.

    `InputDataError` for events that lack something or of which none is selected, `UsageError` for an unknown object, no
    bins, or a mask of another length.

    >>> import hepad
    >>> jets = {"jets.pt": [[300.0, 200.0], [90.0]], "jets.eta": [[0.0, 1.0], [0.5]], "jets.phi": [[0.0, 3.1], [1.0]],
    ...         "jets.mass": [[10.0, 9.0], [8.0]]}
    >>> hepad.hist(jets, "jet1+jet2", bins=3, range=(0, 900)).values().tolist()
    [0.0, 1.0, 0.0]
    """
    if edges is not None and bins is None and range is None:
        limits = tuple(float(edge) for edge in edges)
    elif edges is None and bins is not None and range is not None:
        limits = equal_bins(range[0], range[1], bins)
    else:
        raise UsageError("give either edges, or bins and range")
    if len(limits) < 2 or not np.all(np.isfinite(limits)) or not np.all(np.diff(limits) > 0):
        raise UsageError("the edges must be two or more, finite and rising")
    card, objects = _card(selection), parse_mass(mass)
    loaded = load_events(events, fields=merge_fields(card.fields(), mass_fields(objects)))
    selected, keep, flow = apply_selection(loaded, card)
    scale = normalisation(cross_section_pb, luminosity_fb, checked_flow(flow, card))
    masses, present = invariant_mass(selected, objects)
    inside = _mask(where, len(loaded))[keep][present]
    filled = empty_histogram(limits, "_".join(part.strip() for part in mass.split("+")))
    filled.fill(masses[inside], weight=ak.to_numpy(selected.weight)[present][inside])
    scaled: Hist[Any] = filled * scale
    return scaled


def _card(selection: str | Model | None) -> SelectionCard:
    if isinstance(selection, Model):
        return selection.bundle.card.selection
    return load_selection("all_events" if selection is None else selection)


def _mask(where: npt.ArrayLike | None, n: int) -> npt.NDArray[np.bool_]:
    if where is None:
        return np.ones(n, dtype=np.bool_)
    mask = np.asarray(where)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise UsageError(f"where is a mask of bool, one for each of the {n} events, not {mask.dtype} {mask.shape}")
    return mask
