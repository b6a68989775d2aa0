"""What moves the parameters of a network along its gradients: torch's own updates, with what they remember.

The classes of `torch.optim` do the same, but load torch's compiler with the first of them: two seconds of each process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from hepad.cards.train import OptimizerCard

__all__ = ["Optimizer", "moments"]

Memory = Mapping[str, list[Tensor]]

_EPSILON = 1e-8  # of torch, Keras and the paper of Adam


def moments(card: OptimizerCard) -> tuple[str, ...]:
    """The names of what an optimiser remembers of each parameter."""
    if card.name == "sgd":
        return ("momentum_buffer",) if card.momentum else ()
    return ("exp_avg", "exp_avg_sq", "step", *(("max_exp_avg_sq",) if card.amsgrad else ()))


class Optimizer:
    """The optimiser of a card. `state` has the moments of each parameter that has been updated, by their names."""

    def __init__(self, card: OptimizerCard, parameters: Sequence[nn.Parameter]) -> None:
        self._card, self._parameters = card, tuple(parameters)
        # As exact as the plain implementation, and faster for small networks; there since torch 2.4.
        self._fused = all(parameter.device.type in {"cpu", "cuda"} for parameter in parameters)
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Follow the gradients at this learning rate; a parameter without one stays."""
        moved = [parameter for parameter in self._parameters if parameter.grad is not None]
        for parameter in moved:
            if parameter not in self.state:
                zeros = {name: torch.zeros_like(parameter) for name in moments(self._card)}
                self.restore(parameter, zeros | {name: torch.zeros(()) for name in zeros if name == "step"})
        memory = {name: [self.state[parameter][name] for parameter in moved] for name in moments(self._card)}
        gradients = [parameter.grad for parameter in moved if parameter.grad is not None]
        if self._card.name == "sgd":
            self._follow(list(moved), gradients, memory, rate)
        else:
            self._adapt(list(moved), gradients, memory, rate)

    def _follow(self, moved: list[Tensor], gradients: list[Tensor], memory: Memory, rate: float) -> None:
        buffers: list[Tensor | None] = [*memory.get("momentum_buffer", [None] * len(moved))]
        sgd(
            moved,
            gradients,
            buffers,
            weight_decay=self._card.weight_decay,
            momentum=self._card.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _adapt(self, moved: list[Tensor], gradients: list[Tensor], memory: Memory, rate: float) -> None:
        update = adamw if self._card.name == "adamw" else adam
        update(
            moved,
            gradients,
            memory["exp_avg"],
            memory["exp_avg_sq"],
            memory.get("max_exp_avg_sq", []),
            memory["step"],
            fused=self._fused,
            amsgrad=self._card.amsgrad,
            beta1=self._card.betas[0],
            beta2=self._card.betas[1],
            lr=rate,
            weight_decay=self._card.weight_decay,
            eps=_EPSILON,
            maximize=False,
        )

    def restore(self, parameter: nn.Parameter, state: Mapping[str, Tensor]) -> None:
        """Take over the moments of a parameter, all of them, where they are needed."""
        self.state[parameter] = {
            name: value.to(parameter.device) if self._fused or name != "step" else value
            for name, value in state.items()
        }
