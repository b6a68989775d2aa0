"""What stops a training, and what is kept of it then."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from hepad.bundles.checkpoint import Watch
from hepad.errors import InterruptedRunError


@pytest.fixture
def hangups():
    """Let SIGHUP be what a process finds it to be, and put back what it was."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda handler: signal.signal(signal.SIGHUP, handler)
    signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_lets_the_epoch_end_and_keeps_it(hangups):
    kept = []
    watch = Watch(SimpleNamespace(save=kept.append), None)
    end = SimpleNamespace(epoch=1, epochs=2, checkpoint=lambda: "state")
    hangups(signal.SIG_DFL)
    with watch.signals():
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)  # the shell sends one and the kernel another
        with pytest.raises(InterruptedRunError, match="after epoch 1 of 2") as caught:
            watch(end)
    assert (kept, caught.value.exit_code) == (["state"], 129)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def test_a_training_under_nohup_goes_on(hangups):
    kept = []
    watch = Watch(SimpleNamespace(save=kept.append), None)
    hangups(signal.SIG_IGN)
    with watch.signals():
        signal.raise_signal(signal.SIGHUP)
        watch(SimpleNamespace(epoch=1, epochs=2, checkpoint=lambda: "state"))
    assert kept == []
