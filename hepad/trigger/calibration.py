"""From logic to nanoseconds: the clock period that published designs of da4ml reached after place and route.

Reference: the public Vivado reports of JEDI-linear, 20 designs on an XCVU13P-2 with stages of cutoff
2. The period grows with the size of the design. There is no public calibration for other devices or cutoffs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["POST_ROUTE", "Period", "clock_period"]

POST_ROUTE: tuple[tuple[float, float], ...] = (
    (218614.5, 4.212),
    (91132.0, 3.500),
    (301646.0, 4.923),
    (100961.0, 3.882),
    (91407.5, 3.257),
    (34736.5, 2.620),
    (127752.5, 3.271),
    (42015.5, 2.822),
    (132781.0, 3.282),
    (58026.0, 2.876),
    (126214.0, 3.340),
    (45471.5, 3.325),
    (169650.5, 3.730),
    (82985.5, 3.051),
    (158211.5, 3.257),
    (69233.0, 3.045),
    (69071.0, 3.212),
    (47642.0, 2.781),
    (129316.0, 3.303),
    (34161.5, 2.594),
)
"""da4ml's cost of each design and the clock period in ns that it reached after place and route."""


@dataclass(frozen=True)
class Period:
    """A clock period and its error in ns: the scatter of published designs about their line.

    `extrapolated`: the design is smaller or larger than all of them.
    """

    ns: float
    error_ns: float
    extrapolated: bool


def clock_period(cost: float) -> Period:
    """The clock period of a design of a cost: a straight line through the published ones."""
    costs, periods = np.array(POST_ROUTE).T
    slope, offset = np.polyfit(costs, periods, 1)
    rms = float(np.sqrt(np.square(periods - offset - slope * costs).mean()))
    return Period(float(offset + slope * cost), rms, not costs.min() <= cost <= costs.max())
