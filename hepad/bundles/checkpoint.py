"""Checkpoints of a training: a folder beside the output-to-be, with a fingerprint of what is being trained."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hepad.bundles.files import read_tensors
from hepad.errors import InterruptedRunError, UsageError
from hepad.nn.scorer import Checkpoint, EpochEnd
from hepad.output.atomic import atomic_folder, check_removable
from hepad.output.owned import foreign_files
from hepad.provenance import sha256_bytes

__all__ = ["CheckpointFolder", "Watch", "check_checkpoint", "fingerprint"]

_VERB = "train, a checkpoint"
_STATE = "state.json"
_TENSORS = "state.safetensors"
_SECONDS_BETWEEN = 30.0


def fingerprint(*parts: Any) -> str:
    """A sha256 of JSON-like parts: two trainings with the same fingerprint give the same weights."""
    return sha256_bytes(json.dumps(parts, sort_keys=True).encode())


def check_checkpoint(path: Path, *, resume: bool, restart: bool) -> None:
    """`UsageError` if there is a checkpoint and nobody said what to do with it, or none to resume.

    Asked for before the events are read, not after.
    """
    if resume and restart:
        raise UsageError("--resume and --restart contradict each other")
    if resume and not path.exists():
        raise UsageError(f"nothing to resume: there is no checkpoint {path}; leave out --resume")
    if path.exists() and not (resume or restart):
        raise UsageError(
            f"{path} holds an interrupted training: add --resume to go on with it or --restart to start again"
        )
    if restart:
        check_removable(path, verb=_VERB)


class CheckpointFolder:
    """Saves and finds the checkpoint of one training."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key

    def begin(self, *, resume: bool, restart: bool) -> Checkpoint | None:
        """The checkpoint to go on from, None for a fresh start.

        `UsageError` if there is a checkpoint and nobody said what to do with it, none to resume, or another one.
        """
        check_checkpoint(self.path, resume=resume, restart=restart)
        if not resume:
            check_removable(self.path, verb=_VERB)
            self.remove()
            return None
        return self._load()

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; the old one stays until the new one is complete."""
        from safetensors.numpy import save

        state = {
            "key": self._key,
            "epoch": checkpoint.epoch,
            "train_loss": checkpoint.train_loss,
            "validation_loss": checkpoint.validation_loss,
            "best_epoch": checkpoint.best_epoch,
        }
        with atomic_folder(self.path, verb=_VERB) as folder:
            (folder / _TENSORS).write_bytes(save(checkpoint.tensors))
            (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")

    def remove(self) -> None:
        """Forget the checkpoint; a folder with anything else in it stays."""
        if self.path.exists() and not foreign_files(self.path, _VERB, changed=False):
            shutil.rmtree(self.path)

    def _load(self) -> Checkpoint:
        try:
            state = json.loads((self.path / _STATE).read_text(encoding="utf-8"))
            tensors = read_tensors((self.path / _TENSORS).read_bytes(), str(self.path / _TENSORS))
            same = state["key"] == self._key
            checkpoint = Checkpoint(
                epoch=int(state["epoch"]),
                tensors=tensors,
                train_loss=tuple(state["train_loss"]),
                validation_loss=tuple(state["validation_loss"]),
                best_epoch=int(state["best_epoch"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"checkpoint {self.path} is damaged ({error}): start again with --restart") from error
        if not same:
            raise UsageError(
                f"checkpoint {self.path} is of a training with other inputs, options or seed: "
                "repeat those, or use --restart"
            )
        return checkpoint


class Watch:
    """The `on_epoch` of a training: passes epochs on, saves now and then, and stops cleanly on Ctrl-C, SIGTERM, SIGHUP.

    The first signal lets the epoch end, saves and raises `InterruptedRunError`; a second one stops at once, but for
    SIGHUP, which comes twice where a terminal is closed.
    """

    def __init__(self, store: CheckpointFolder, on_epoch: Callable[[EpochEnd], None] | None) -> None:
        self._store = store
        self._on_epoch = on_epoch
        self._last_save = time.monotonic()
        self._signal: int | None = None
        self._last: EpochEnd | None = None

    def save_last(self) -> None:
        """Save the state that the training ended in."""
        if self._last is not None:
            self._store.save(self._last.checkpoint())

    def __call__(self, end: EpochEnd) -> None:
        """One epoch has ended."""
        self._last = end
        if self._on_epoch:
            self._on_epoch(end)
        unfinished = end.epoch < end.epochs
        if unfinished and self._signal is not None:
            self._store.save(end.checkpoint())
            raise InterruptedRunError(
                f"interrupted after epoch {end.epoch} of {end.epochs}: run the same command with --resume to go on",
                self._signal,
            )
        if unfinished and time.monotonic() - self._last_save > _SECONDS_BETWEEN:
            self._store.save(end.checkpoint())
            self._last_save = time.monotonic()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Catch signals while training; in a thread other than the main one Python does not allow it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
            caught.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._stop) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._signal is not None and number != signal.SIGHUP:
            raise KeyboardInterrupt
        self._signal = self._signal or number
