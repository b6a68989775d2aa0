"""The Chamfer loss of packed sets, whose objects are compared with those of their own kind only."""

from __future__ import annotations

import torch
from torch import Tensor

from hepad.nn.packed import Bucket, Packed

__all__ = ["half_chamfer"]


def half_chamfer(packed: Packed, x: Tensor, y: Tensor, angular_scale: float) -> Tensor:
    """Half the mean, over the objects of a set, of the distance to the nearest of its kind in the other set: of x to y
    and of y to x. Shape (sets,), 0 for a set without objects.

    `x` and `y`, of shape (m, 3), hold a momentum and two angles each. The distance is that of the authors' code of
    arXiv:2311.17162, whose equation 1 has the sum instead of the mean: (momentum difference)^2 + (momentum of x times
    angular difference / `angular_scale`)^2.

    Which objects are nearest is found without a gradient, in blocks of objects of a set and kind: what is kept for the
    gradient is as large as x, not as all pairs.
    """
    with torch.no_grad():
        to, back = nearest(packed.kinds, x, y, angular_scale)
    losses = _distance(x, y.index_select(0, to), angular_scale) + _distance(x.index_select(0, back), y, angular_scale)
    return 0.5 * packed.mean(losses[:, None])[:, 0]


def nearest(buckets: tuple[Bucket, ...], x: Tensor, y: Tensor, angular_scale: float) -> tuple[Tensor, Tensor]:
    """For each object of x the row of the nearest of y among those of its bucket's run, and the same for y."""
    to = torch.arange(len(x), device=x.device)
    back = to.clone()
    columns = [values.unbind(1) for values in (x, y)]
    for bucket in buckets:
        rows, valid = bucket.rows, bucket.valid
        if rows.shape[1] == 1:
            continue  # alone of its kind
        (p, a, b), (q, c, d) = ([column[rows] for column in values] for values in columns)
        distance = (a[:, :, None] - c[:, None, :]).square_() + (b[:, :, None] - d[:, None, :]).square_()
        distance *= (p / angular_scale).square_()[:, :, None]
        distance += (p[:, :, None] - q[:, None, :]).square_()
        distance.masked_fill_(~(valid[:, :, None] & valid[:, None, :]), torch.inf)
        for found, axis in ((to, 2), (back, 1)):
            found[bucket.kept] = rows.gather(1, distance.argmin(dim=axis)).flatten()[bucket.places]
    return to, back


def _distance(x: Tensor, y: Tensor, angular_scale: float) -> Tensor:
    """Of objects of shape (m, 3), one by one; shape (m,)."""
    p, a, b = x.unbind(1)
    q, c, d = y.unbind(1)
    return (p - q).square() + (p / angular_scale).square() * ((a - c).square() + (b - d).square())
