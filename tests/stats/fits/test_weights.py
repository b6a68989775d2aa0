"""The typical weight of an event, bin by bin."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.cards.fit import load_fit
from hepad.errors import InputDataError
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.weights import event_weights

EDGES = np.geomspace(300, 4000, 41)
TRUE = BackgroundFunction.from_card(load_fit("dijet3")).expected(EDGES, [1e-3, 9.0, -5.0])
TRUE *= 5000 / TRUE.sum()


def test_the_weight_is_a_power_of_the_mass() -> None:
    centres = (EDGES[:-1] + EDGES[1:]) / 2
    weights = 3 * (centres / 1000) ** -2.5
    counts = np.where(np.arange(40) % 3 == 0, 0.0, 1e4 * TRUE)  # empty bins have a weight, too
    np.testing.assert_allclose(event_weights(EDGES, counts, counts * weights), weights, rtol=1e-3)
    # Of few events the power is not known: one weight for all.
    few = event_weights(EDGES, counts / 1e6, counts / 1e6 * weights)
    np.testing.assert_allclose(few, few[0], rtol=1e-9)
    one = np.eye(40)[5]
    np.testing.assert_allclose(event_weights(EDGES, 2 * one, 8 * one), 4.0)


@pytest.mark.parametrize(
    ("counts", "variances", "message"),
    [
        (-TRUE, TRUE, "counts must be finite and not negative"),
        (TRUE, TRUE * np.nan, "variances must be finite"),
        (0 * TRUE, 0 * TRUE, "needs events"),
        (TRUE, 0 * TRUE, "variance in each filled bin"),
    ],
)
def test_weights_that_cannot_be_are_refused(counts: np.ndarray, variances: np.ndarray, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        event_weights(EDGES, counts, variances)
