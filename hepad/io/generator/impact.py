"""Impact parameters of generated tracks: where straight lines pass the beam, with a resolution of formulae."""

from __future__ import annotations

import numpy as np

from hepad.io.generator.isolation import uniform
from hepad.io.generator.particles import Floats, Ints

__all__ = ["IMPACT", "impact_parameters"]

IMPACT = ("d0", "d0err", "dz", "dzerr")

_D0, _DZ = (0.010, 0.080, 0.5), (0.030, 0.100, 1.5)
"""In mm what the sensors cost at any momentum, what a GeV of pT costs by scattering, and the power of the sine of the
polar angle there: near what CMS shows of its tracker in arXiv:1405.6569, figures 14 and 15, not read off them."""


def impact_parameters(momenta: Floats, vertices: Floats, seed: int, entries: Ints, rank: Ints) -> dict[str, Floats]:
    """`d0` and `dz` in mm and their errors, each of shape (n,), of charged particles.

    `momenta` and `vertices`, of shape (3, n), are where they fly and where they were made, in mm from the collision.
    No magnet bends them: a particle from a vertex at a few mm has the d0 of its tangent there, as a detector has within
    some percent. `entries` and `rank` (the place in its event) give each track its own random numbers.
    """
    px, py, pz = momenta
    x, y, z = vertices
    pt = np.maximum(np.hypot(px, py), 1e-12)
    sine = pt / np.sqrt(pt**2 + pz**2)
    true = (x * py - y * px) / pt, z - (x * px + y * py) / pt**2 * pz
    found: dict[str, Floats] = {}
    for place, (name, exact, (sensors, scattering, power)) in enumerate(
        zip(("d0", "dz"), true, (_D0, _DZ), strict=True)
    ):
        error = np.hypot(sensors, scattering / (pt * sine**power))
        found[name] = exact + error * _normal(seed, entries, 4 * rank + 2 * place)
        found[f"{name}err"] = error
    return found


def _normal(seed: int, entries: Ints, rank: Ints) -> Floats:
    """Normal random numbers by the transformation of Box and Muller, each of two uniform ones of its own."""
    radius = np.sqrt(-2 * np.log1p(-uniform(seed + 1, entries, rank)))  # not those of b-tagging
    return np.asarray(radius * np.cos(2 * np.pi * uniform(seed + 1, entries, rank + 1)))
