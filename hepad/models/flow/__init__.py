"""The density of background by a normalising flow: what is improbable under it is anomalous.

The method of ATLAS's search in events of four leptons or more, arXiv:2508.19778, which trains a flow on a few
quantities of simulated background and scores by the probability density; its flows are not published. Ours are masked
autoregressive flows (Papamakarios, Pavlakou, Murray, arXiv:1705.07057).
"""

from __future__ import annotations

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["FlowConfig"]


class FlowConfig(Card):
    """`blocks` autoregressive steps, each through a masked network of two hidden layers of `width`.

    In the training each scaled quantity is smeared with a normal random number of standard deviation `noise`: the
    density is that of the smeared quantities then, which has no spikes where a number of jets is whole, and follows
    few events less closely.
    """

    blocks: int = Field(default=4, ge=1, le=64)
    width: int = Field(default=32, ge=1, le=4096)
    noise: float = Field(default=0.1, ge=0)
