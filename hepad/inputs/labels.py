"""What events were simulated as, beside the numbers that a supervised network is trained on."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.events import LABEL

__all__ = ["places_of_labels"]


def places_of_labels(events: ak.Array, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """The place (n,) of each event's label among the classes; `InputDataError` for an event that has none of them."""
    is_of = np.stack([ak.to_numpy(events[LABEL][name]) for name in classes], axis=1)
    if not (is_of.sum(axis=1) == 1).all():
        raise InputDataError(f"an event's label is none of {', '.join(classes)}, the classes of the input")
    place: npt.NDArray[np.float64] = is_of.argmax(axis=1).astype(np.float64)
    return place
