from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hepad.cards.analysis import TrainCard
from hepad.errors import CardError, FitFailedError
from hepad.nn.reproducible import build_seeded
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport
from hepad.nn.training import Sample, train


def sample(n: int, seed: int, weight: Any = None, what: str = "training") -> Sample:
    x = np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)
    return Sample.of((x,), np.ones(n) if weight is None else np.asarray(weight, dtype=float), what)


def run(module: nn.Module, **changes: Any) -> FitReport:
    def step(rows: tuple[Tensor, ...], noise: torch.Generator) -> Tensor:
        x = rows[0]
        return (module(x + 0.01 * torch.randn(x.shape, generator=noise)) - x).square().mean(dim=1)

    settings = {"options": TrainCard(epochs=6, batch_size=32, learning_rate=1e-2), "seed": 1} | changes
    training, validation = settings.pop("training", sample(200, 1)), settings.pop("validation", sample(50, 2))
    return train(module, step, training, validation, **settings)


def network() -> nn.Sequential:
    return build_seeded(lambda: nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3)), 1)


def weights(module: nn.Module) -> list[Any]:
    return [p.detach().numpy().copy() for p in module.parameters()]


class Overfitting(nn.Module):
    """Validation loss falls to its minimum, then rises: a weight that runs away from 0 at a constant pace."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([-0.35]))

    def forward(self, x: Tensor) -> Tensor:
        return (self.w.square() if not self.training else -self.w) + 0 * x[:, 0]


def overfit(options: TrainCard, **more: Any) -> tuple[Overfitting, FitReport]:
    module = Overfitting()
    data = sample(4, 1)
    report = train(module, lambda rows, _: module(rows[0]), data, data, options=options, seed=1, **more)
    return module, report


def test_fixed_epochs_keep_the_last_weights() -> None:
    module, report = overfit(TrainCard(epochs=10, batch_size=4, learning_rate=0.1))
    assert (report.epochs, report.best_epoch, report.stopped_early) == (10, 10, False)
    assert module.w.item() == pytest.approx(0.65, abs=1e-3)


def test_patience_stops_and_keeps_the_best_weights() -> None:
    module, report = overfit(TrainCard(epochs=10, batch_size=4, learning_rate=0.1, patience=2))
    assert report.stopped_early
    assert report.best_epoch in {3, 4}
    assert report.epochs == report.best_epoch + 2
    assert abs(module.w.item()) == pytest.approx(0.05, abs=1e-3)
    assert report.validation_loss[report.best_epoch - 1] == min(report.validation_loss)


def test_patience_keeps_the_best_weights_also_when_the_epochs_end_first() -> None:
    module, report = overfit(TrainCard(epochs=5, batch_size=4, learning_rate=0.1, patience=9))
    assert not report.stopped_early
    assert abs(module.w.item()) == pytest.approx(0.05, abs=1e-3)


def test_a_training_that_had_stopped_does_not_go_on_when_resumed() -> None:
    options = TrainCard(epochs=10, batch_size=4, learning_rate=0.1, patience=2)
    checkpoints: list[Checkpoint] = []
    first, report = overfit(options, on_epoch=lambda end: checkpoints.append(end.checkpoint()))
    second, again = overfit(options, resume=checkpoints[-1])
    assert again == report
    assert torch.equal(first.w, second.w)


def test_a_finished_training_can_be_prolonged() -> None:
    checkpoints: list[Checkpoint] = []
    run(network(), on_epoch=lambda end: checkpoints.append(end.checkpoint()))
    longer = TrainCard(epochs=9, batch_size=32, learning_rate=1e-2)
    prolonged, whole = network(), network()
    assert run(prolonged, options=longer, resume=checkpoints[-1]) == run(whole, options=longer)
    for a, b in zip(weights(prolonged), weights(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_callback_sees_each_epoch_and_a_checkpoint_does_not_change_later() -> None:
    ends: list[EpochEnd] = []
    checkpoints: list[Checkpoint] = []
    report = run(network(), on_epoch=lambda end: (ends.append(end), checkpoints.append(end.checkpoint())))
    assert [end.epoch for end in ends] == [1, 2, 3, 4, 5, 6]
    assert {end.epochs for end in ends} == {6}
    assert tuple(end.validation_loss for end in ends) == report.validation_loss
    assert [len(checkpoint.train_loss) for checkpoint in checkpoints] == [1, 2, 3, 4, 5, 6]
    first, last = checkpoints[0].tensors, checkpoints[-1].tensors
    assert not np.array_equal(first["weights/0.weight"], last["weights/0.weight"])
    assert first["adam/step/0.weight"] == 7  # 200 events in batches of 32
    assert all(isinstance(array, np.ndarray) for array in first.values())


def test_the_global_generator_and_the_threads_are_left_alone() -> None:
    torch.manual_seed(12)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    run(network())
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_the_threads_are_restored_after_a_failure() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(FitFailedError, match=r"training loss is (nan|inf) in epoch 1"):
        run(network(), options=TrainCard(epochs=2, batch_size=32, learning_rate=1e30))
    assert torch.get_num_threads() == threads


def test_a_weight_of_two_counts_like_an_event_twice() -> None:
    x = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    once = Sample.of((x,), np.r_[np.full(10, 2.0), np.ones(10)], "training")
    twice = Sample.of((np.concatenate([x[:10], x]),), np.ones(30), "training")
    options = TrainCard(epochs=1, batch_size=100)
    losses = [run(network(), training=s, options=options, validation=s).validation_loss[0] for s in (once, twice)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)  # up to the noise that `run` adds


def test_a_lone_last_event_joins_the_batch_before() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    report = run(module, training=sample(33, 1))  # batch normalisation raises on a batch of one event
    assert np.isfinite(report.train_loss).all()


@pytest.mark.parametrize("weight", [[0.0, 0.0], [1.0, -2.0], [1.0, np.nan], [np.inf, 1.0]])
def test_weights_must_sum_to_a_positive_number(weight: list[float]) -> None:
    with pytest.raises(FitFailedError, match="weights of the training events"):
        sample(2, 1, weight)


def test_no_events_are_refused_by_name() -> None:
    with pytest.raises(FitFailedError, match="no validation events"):
        sample(0, 1, what="validation")


def test_a_checkpoint_with_missing_losses_is_refused() -> None:
    checkpoints: list[Checkpoint] = []
    run(network(), on_epoch=lambda end: checkpoints.append(end.checkpoint()))
    broken = Checkpoint(6, checkpoints[-1].tensors, (0.1,), (0.1,), 1)
    with pytest.raises(CardError, match="epoch 6"):
        run(network(), resume=broken)


def test_any_whole_number_is_a_seed() -> None:
    results = []
    for seed in (-1, 0, 2**63):
        module = network()
        run(module, seed=seed)
        results.append(weights(module)[0])
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[1], results[2])
