"""Where a network runs: on the processor, bit for bit the same each time, or on an accelerator if one is there."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from hepad.errors import UsageError
from hepad.nn.scorer import Scorer

__all__ = ["DEVICES", "OnDevice", "available_devices", "resolve_device", "scoring_device", "send_to"]

DEVICES = ("auto", "cpu", "cuda", "mps")
"""The devices that can be asked for; `auto` is the first accelerator that is there, else the processor."""


@runtime_checkable
class OnDevice(Protocol):
    """A scorer that torch evaluates, wholly or in part: it can do so on any device."""

    @property
    def takes_device(self) -> bool:
        """Whether there is anything to evaluate with torch."""
        ...

    def score_on(self, device: str) -> None:
        """Evaluate on this device from now on, in this process."""
        ...


def available_devices() -> tuple[str, ...]:
    """The devices of this machine that torch can use, the fastest first; `cpu` is the last."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return (*(name for name, is_there in there.items() if is_there), "cpu")


def resolve_device(name: str) -> str:
    """The device that a name stands for; torch is not loaded for `cpu`.

    `UsageError` for one that is unknown, or not there.
    """
    if name not in DEVICES:
        raise UsageError(f"--device {name}: choose one of {', '.join(DEVICES)}")
    if name == "cpu":
        return name
    there = available_devices()
    if name == "auto":
        return there[0]
    if name not in there:
        raise UsageError(f"--device {name}: torch finds none on this machine; there is {', '.join(there)}")
    return name


def scoring_device(scorer: Scorer, name: str) -> str:
    """The device to evaluate a scorer on; `auto` is the processor for one that is evaluated without torch.

    `UsageError` for another device that such a scorer is asked to run on, and as of `resolve_device`.
    """
    if isinstance(scorer, OnDevice) and scorer.takes_device:
        return resolve_device(name)
    if name == "auto":
        return "cpu"
    device = resolve_device(name)
    if device != "cpu":
        raise UsageError(f"--device {name}: models of kind {scorer.name} score on the processor; leave it out")
    return device


def send_to(scorer: object, device: str) -> None:
    """Let a scorer be evaluated on a device that is there, if torch does it; any other stays on the processor."""
    if isinstance(scorer, OnDevice) and scorer.takes_device:
        scorer.score_on(device)
