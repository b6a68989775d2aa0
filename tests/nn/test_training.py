from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hepad import registry
from hepad.cards.train import OptimizerCard, ScheduleCard, TrainCard
from hepad.errors import CardError, FitFailedError
from hepad.inputs.layout import Layout
from hepad.nn.recipe import Phase, Recipe, learning_rate
from hepad.nn.reproducible import build_seeded
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport
from hepad.nn.sources import ArraySource, Noise, Rows
from hepad.nn.training import Trained, train


def sample(n: int, seed: int, weight: Any = None, what: str = "training") -> ArraySource:
    x = np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)
    return ArraySource.of((x,), np.ones(n) if weight is None else np.asarray(weight, dtype=float), what)


def run(module: nn.Module, **changes: Any) -> FitReport:
    return trained(module, **changes).report


def trained(module: nn.Module, **changes: Any) -> Trained:
    def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
        x = rows[0]
        return (module(x + 0.01 * noise.normal(*x.shape)) - x).square().mean(dim=1)

    settings = {"options": TrainCard(epochs=6, batch_size=32, learning_rate=1e-2), "seed": 1} | changes
    training, validation = settings.pop("training", sample(200, 1)), settings.pop("validation", sample(50, 2))
    return train(Recipe.of_rows(module, step), training, validation, **settings)


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
    recipe = Recipe.of_rows(module, lambda rows, _: module(rows[0]))
    return module, train(recipe, data, data, options=options, seed=1, **more).report


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
    once = ArraySource.of((x,), np.r_[np.full(10, 2.0), np.ones(10)], "training")
    twice = ArraySource.of((np.concatenate([x[:10], x]),), np.ones(30), "training")
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


def resumed_like_whole(recipe_of: Any, options: TrainCard) -> tuple[Trained, Trained]:
    """A training and its resumption from the second epoch."""
    checkpoints: list[Checkpoint] = []
    data, validation = sample(200, 1), sample(50, 2)
    whole = train(
        recipe_of(),
        data,
        validation,
        options=options,
        seed=1,
        on_epoch=lambda end: checkpoints.append(end.checkpoint()),
    )
    return whole, train(recipe_of(), data, validation, options=options, seed=1, resume=checkpoints[1])


def reconstruction(module: nn.Module) -> Recipe:
    return Recipe.of_rows(module, lambda rows, _: (module(rows[0]) - rows[0]).square().mean(dim=1))


@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerCard(name="adamw", weight_decay=0.1),
        OptimizerCard(amsgrad=True, betas=(0.5, 0.9)),
        OptimizerCard(name="sgd", momentum=0.9),
        OptimizerCard(name="sgd"),
    ],
    ids=["adamw", "amsgrad", "momentum", "sgd"],
)
def test_every_optimiser_resumes_bit_for_bit(optimizer: OptimizerCard) -> None:
    options = TrainCard(epochs=4, batch_size=32, learning_rate=1e-2, optimizer=optimizer, clip_norm=0.5)
    whole, resumed = resumed_like_whole(lambda: reconstruction(network()), options)
    assert whole.report == resumed.report
    for name, array in whole.states[0].items():
        np.testing.assert_array_equal(array, resumed.states[0][name])


def test_an_optimiser_is_that_of_torch() -> None:
    """One step of a batch of all events, against torch's own classes with the same numbers."""
    x = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    cards = {
        torch.optim.AdamW: (OptimizerCard(name="adamw", weight_decay=0.3), {"weight_decay": 0.3}),
        torch.optim.Adam: (OptimizerCard(weight_decay=0.3, amsgrad=True), {"weight_decay": 0.3, "amsgrad": True}),
        torch.optim.SGD: (OptimizerCard(name="sgd", momentum=0.5), {"momentum": 0.5}),
    }
    for kind, (card, arguments) in cards.items():
        ours, theirs = network(), network()
        data = ArraySource.of((x,), np.ones(20), "training")
        options = TrainCard(epochs=3, batch_size=20, learning_rate=0.1, optimizer=card)
        train(reconstruction(ours), data, data, options=options, seed=1)
        optimizer = kind(theirs.parameters(), lr=0.1, **arguments)
        for _ in range(3):
            optimizer.zero_grad()
            (theirs(torch.tensor(x)) - torch.tensor(x)).square().mean().backward()
            optimizer.step()
        for a, b in zip(weights(ours), weights(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_clipped_gradient_moves_no_further_than_its_norm() -> None:
    before, module = weights(network()), network()
    card = OptimizerCard(name="sgd")
    run(module, options=TrainCard(epochs=1, batch_size=200, learning_rate=1.0, optimizer=card, clip_norm=0.01))
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(weights(module), before, strict=True)))
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_gradients_are_clipped_each_by_itself() -> None:
    before, module = weights(network()), network()
    card = OptimizerCard(name="sgd")
    run(module, options=TrainCard(epochs=1, batch_size=200, learning_rate=1.0, optimizer=card, clip_each=0.01))
    for a, b in zip(weights(module), before, strict=True):
        assert np.linalg.norm(a - b) == pytest.approx(0.01, rel=1e-3)


def test_schedules_have_their_formulae() -> None:
    def rate(schedule: ScheduleCard, done: float, losses: tuple[float, ...] = ()) -> float:
        return learning_rate(TrainCard(epochs=10, learning_rate=2.0, schedule=schedule), done, losses)

    assert rate(ScheduleCard(), 7) == 2.0
    cosine = ScheduleCard(name="cosine", floor=0.1)
    assert [rate(cosine, done) for done in (0, 5, 10)] == pytest.approx([2.0, 1.1, 0.2])
    warm = ScheduleCard(name="cosine", warmup_epochs=2)
    assert [rate(warm, done) for done in (1, 2, 6, 10)] == pytest.approx([1.0, 2.0, 1.0, 0.0])
    plateau = ScheduleCard(name="plateau", factor=0.1, patience=2)
    assert rate(plateau, 3, (3.0, 2.0, 1.0)) == 2.0
    assert rate(plateau, 4, (1.0, 2.0, 2.0)) == pytest.approx(0.2)
    assert rate(plateau, 6, (1.0, 2.0, 2.0, 2.0, 2.0)) == pytest.approx(0.02)
    assert rate(ScheduleCard(name="plateau", factor=0.1, patience=1, floor=0.5), 9, (1.0, 1.0, 1.0)) == 1.0


def test_the_best_epochs_are_kept_in_order() -> None:
    options = TrainCard(epochs=8, batch_size=4, learning_rate=0.1, keep="best", keep_epochs=3)
    module = Overfitting()
    data = sample(4, 1)
    done = train(Recipe.of_rows(module, lambda rows, _: module(rows[0])), data, data, options=options, seed=1)
    kept = [abs(float(state["w"][0])) for state in done.states]
    assert len(kept) == 3
    assert kept == sorted(kept)
    assert abs(module.w.item()) == pytest.approx(kept[0])
    assert done.report.best_epoch in {3, 4}
    with pytest.raises(ValueError, match="keep_epochs"):
        TrainCard(keep_epochs=3)


class Game(nn.Module):
    """Two players: one moves to where the other says it should not be."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, 1), nn.Linear(3, 1)

    def recipe(self, every: int = 1) -> Recipe:
        def one(rows: Rows, _: Noise) -> Tensor:
            return rows.mean((self.one(rows.tensors[0]) - 1).square()[:, 0])

        def other(rows: Rows, noise: Noise) -> Tensor:
            target = self.one(rows.tensors[0]).detach() + 0.1 * noise.uniform(len(rows), 1)
            return (self.other(rows.tensors[0]) - target).square().max()  # a loss of the whole batch

        phases = (Phase("one", self.one, one), Phase("other", self.other, other, every))
        return Recipe(self, phases, lambda rows, _: (self.one(rows.tensors[0]) - 1).square()[:, 0])


def test_two_phases_have_optimisers_of_their_own_and_resume() -> None:
    options = TrainCard(epochs=4, batch_size=32, learning_rate=1e-2)
    whole, resumed = resumed_like_whole(lambda: build_seeded(Game, 1).recipe(), options)
    assert whole.report == resumed.report
    for name, array in whole.states[0].items():
        np.testing.assert_array_equal(array, resumed.states[0][name])
    start = build_seeded(Game, 1).state_dict()
    assert all(not np.array_equal(array, start[name].numpy()) for name, array in whole.states[0].items())


def test_a_phase_may_be_left_out_of_most_batches() -> None:
    checkpoints: list[Checkpoint] = []
    options = TrainCard(epochs=1, batch_size=32, learning_rate=1e-2)
    train(
        build_seeded(Game, 1).recipe(every=3),
        sample(200, 1),
        sample(50, 2),
        options=options,
        seed=1,
        on_epoch=lambda end: checkpoints.append(end.checkpoint()),
    )
    assert checkpoints[0].tensors["one/step/weight"] == 7
    assert checkpoints[0].tensors["other/step/weight"] == 3  # of batches 0 to 6


class Counter:
    """Remembers a running sum, as a replay buffer would."""

    def __init__(self) -> None:
        self.value = np.zeros(1, dtype=np.float32)

    def state(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state(self, state: dict[str, Any]) -> None:
        self.value = np.array(state["value"])


def test_what_a_training_remembers_is_part_of_the_checkpoint() -> None:
    def recipe_of() -> Recipe:
        module, memory = network(), Counter()

        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            if module.training:
                memory.value += 0.1
            return (module(rows[0]) - float(memory.value[0])).square().mean(dim=1)

        one = Recipe.of_rows(module, step)
        return Recipe(one.module, one.phases, one.validate, memory)

    options = TrainCard(epochs=4, batch_size=32, learning_rate=1e-2)
    whole, resumed = resumed_like_whole(recipe_of, options)
    assert whole.report == resumed.report


def test_a_source_may_be_mapped_from_disk(tmp_path: Any) -> None:
    x = np.random.default_rng(1).standard_normal((200, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = ArraySource.of((np.load(tmp_path / "x.npy", mmap_mode="r"),), np.ones(200), "training")
    assert run(network(), training=mapped) == run(network(), training=sample(200, 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_another_device_gives_nearly_the_same_losses() -> None:
    here, there = run(network()), run(network(), device="cuda")
    np.testing.assert_allclose(there.train_loss, here.train_loss, rtol=1e-3)
    np.testing.assert_allclose(there.validation_loss, here.validation_loss, rtol=1e-3)


def test_a_batch_that_is_added_up_moves_the_weights_as_it_does_at_once() -> None:
    """200 events of unequal weight in batches of 32, of which seven, or all, are in memory at a time."""
    data, seen = sample(200, 1, weight=np.arange(1, 201)), []

    def made(rows_at_once: int | None, *more: nn.Module) -> tuple[FitReport, list[Any]]:
        module = nn.Sequential(*network(), *more)

        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            seen.append(len(rows[0]))
            return (module(rows[0]) - rows[0]).square().mean(dim=1)

        options = TrainCard(epochs=2, batch_size=32, learning_rate=1e-2, clip_norm=0.1, rows_at_once=rows_at_once)
        report = train(Recipe.of_rows(module, step), data, sample(50, 2), options=options, seed=1).report
        return report, weights(module)

    report, whole = made(None)
    seen.clear()
    for at_once, largest in ((7, 7), (100, 32)):
        again, found = made(at_once)
        assert max(n for n in seen if n != 50) == largest
        np.testing.assert_allclose(again.train_loss, report.train_loss, rtol=1e-5)
        for a, b in zip(found, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
        seen.clear()
    with pytest.raises(CardError, match="rows_at_once is 7, but the loss of this model is one of whole batches"):
        made(7, nn.BatchNorm1d(3))
    images = Layout.image(("track",), 16, 24)
    recipe = registry.load(registry.SCORERS["dirichlet_vae"])({}, images)._recipe
    with pytest.raises(CardError, match="rows_at_once is 7, but the loss of this model is one of whole batches"):
        train(recipe(nn.BatchNorm1d(3), None), data, data, options=TrainCard(rows_at_once=7), seed=1)
