"""Operations by hand: of dense layers, and of attention within sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from hepad.inputs.layout import SET
from hepad.models.particle_flow.network import ParticleFlowNetwork
from hepad.models.set_vae.network import ClipVae
from hepad.nn.operations import Cost, cost_of
from hepad.testing.examples import example_batch, example_layout

FEATURES = ("pt", "eta", "phi")
LAYOUT = example_layout(SET, FEATURES)


def test_operations_are_the_products_of_the_layers() -> None:
    events = example_batch("particle_set", 7, seed=1, axes=SET, features=FEATURES)
    flow = ParticleFlowNetwork({"particle": [5, 4], "layers": [3]}, LAYOUT).cost(events)
    assert flow.operations == LAYOUT.shape[0] * (3 * 5 + 5 * 4) + 4 * 3 + 3 * 1  # it takes all places of a set
    assert flow.weights == 3 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3 + 3 + 1


def test_only_what_the_score_needs_is_counted_and_no_padding() -> None:
    events = example_batch("particle_set", 40, seed=1, axes=SET, features=FEATURES)
    of_a_jet = events.there[:, :, 0].sum() / 40
    small = {"width": 8, "feedforward": 16, "latent": 2, "encoder_layers": 1, "decoder_layers": 1, "ids": False}
    names = {"momentum": "pt", "angles": ["eta", "phi"]}
    encoder, whole = (ClipVae({**small, **names, "scores": scores}, LAYOUT).cost(events).operations
                      for scores in (["kl"], ["kl", "chamfer"]))  # fmt: skip
    # The features are padded to eight; what is of the set is done once.
    assert encoder == pytest.approx(of_a_jet * (8 * 8 + 8 * 16 + 16 * 8) + 8 * 16 + 2 * 8 * 2, rel=1e-12)
    assert whole == pytest.approx(encoder + of_a_jet * (8 * 16 + 16 * 8 + 8 * 3) + 8 * 8 + 8 * 16, rel=1e-12)


@pytest.mark.parametrize(
    ("made", "products"),
    [
        (lambda: nn.GRUCell(3, 4, bias=False)(torch.zeros(2, 3), torch.zeros(2, 4)), 2 * 3 * 4 * (3 + 4)),
        (lambda: torch.zeros(2, 3, 5) @ torch.zeros(2, 5, 7), 2 * 3 * 5 * 7),
        (lambda: torch.bmm(torch.zeros(2, 3, 5), torch.zeros(2, 5, 7)), 2 * 3 * 5 * 7),
        (lambda: nn.Conv2d(2, 4, 3, groups=2)(torch.zeros(1, 2, 5, 6)), 4 * 3 * 4 * 9),
        (lambda: nn.ConvTranspose2d(2, 4, 3)(torch.zeros(1, 2, 5, 6)), 2 * 5 * 6 * 4 * 9),
        (
            lambda: scaled_dot_product_attention(*(torch.zeros(2, 3, *size) for size in ((5, 7), (6, 7), (6, 8)))),
            2 * 3 * 5 * 6 * (7 + 8),
        ),
    ],
)  # fmt: skip
def test_all_kinds_of_products_are_counted(made: Callable[[], object], products: int) -> None:
    assert cost_of(nn.Linear(3, 4), made, 1) == Cost(3 * 4 + 4, products)
