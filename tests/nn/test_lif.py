"""The ways to evaluate a spiking network agree bit for bit, and are snntorch's neurons up to float32's rounding.

The order of torch's sums differs between processors and shapes, so that its numbers and ours are both held against
potentials in double precision. Our own ways have one order everywhere.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad import threads as parallel
from hepad.nn import affine, lif, lif_kernel
from hepad.nn.lif import LifNetwork, lif_shapes
from hepad.nn.reproducible import build_seeded
from hepad.nn.spiking import SpikingStack
from hepad.nn.tensors import get_weights

from .exact import of_torch, truth


def pair(sizes: tuple[int, ...], seed: int = 3, **neurons: Any) -> tuple[SpikingStack, LifNetwork]:
    stack = build_seeded(lambda: SpikingStack(sizes, **neurons), seed)
    return stack, LifNetwork(get_weights(stack), sizes, **neurons)


def inputs(n: int, width: int, seed: int = 5) -> Any:
    return np.random.default_rng(seed).random((n, width), dtype=np.float32) * 3


def plain(network: LifNetwork, x: Any) -> Any:
    """In numpy, whether or not the compiled loop is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lif, "KERNEL", "not loaded")
        patch.setattr(lif, "REMEMBER_FROM", len(x) + 1)
        return network.outputs(x)


def compiled(network: LifNetwork, x: Any) -> Any:
    assert lif.KERNEL in sys.modules
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lif, "REMEMBER_FROM", len(x) + 1)
        return network.outputs(x)


def remembered(network: LifNetwork, x: Any) -> Any:
    """By the spike trains of the narrowest layer, if there are few; whatever sums the encoder."""
    network._remembers = network._train_bits <= lif.TRAIN_BITS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lif, "REMEMBER_FROM", 0)
        return network.outputs(x)


@settings(deadline=None, max_examples=60)
@given(
    widths=st.lists(st.integers(1, 30), min_size=3, max_size=7),
    steps=st.integers(1, 8),
    beta=st.floats(0, 1),
    threshold=st.floats(0.05, 2),
    n=st.sampled_from([0, 1, 7, 128, 129, 300, 600]),
    seed=st.integers(0, 99),
)
def test_all_ways_agree(widths: list[int], steps: int, beta: float, threshold: float, n: int, seed: int) -> None:
    stack, network = pair(tuple(widths), seed, steps=steps, beta=beta, threshold=threshold)
    x = inputs(n, widths[0], seed)
    fast, slow = compiled(network, x), plain(network, x)
    np.testing.assert_array_equal(fast, slow)
    np.testing.assert_array_equal(remembered(network, x), slow)
    assert fast.shape == (n, widths[-1])
    assert fast.dtype == slow.dtype == np.float32
    expected = truth(stack, x)
    expected.hold(fast, [network.spikes(x, layer) for layer in range(len(widths) - 2)])
    expected.hold(*of_torch(stack, x))


def test_most_events_are_sure() -> None:
    stack, network = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    x = inputs(2000, 19)
    expected = truth(stack, x)
    assert expected.sure.mean() > 0.95
    assert expected.error[expected.sure].max() < 1e-4 * np.abs(expected.outputs).max()
    expected.hold(plain(network, x), [network.spikes(x, layer) for layer in range(5)])
    expected.hold(*of_torch(stack, x))


def test_the_numpy_sums_of_any_matrix_library_agree_with_the_compiled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    x = inputs(2000, 19)
    expected = compiled(network, x)
    monkeypatch.setattr(affine, "_matmul", lambda w, x: np.full((*x.shape[:-2], len(w), x.shape[-1]), np.nan))
    _, without = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    for first, layer in enumerate(without._layers):
        layer._sum = affine._sequential if first == 0 else affine._plain
    np.testing.assert_array_equal(plain(without, x), expected)


def test_a_library_that_sums_in_another_order_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    w, b, x = (rng.standard_normal(s, dtype=np.float32) for s in ((24, 19), 24, (19, 64)))
    expected = affine._sequential(w, x) + b[:, np.newaxis]
    monkeypatch.setattr(affine, "_matmul", lambda w, x: (w[:, ::-1].astype(float) @ x[::-1]).astype(np.float32))
    np.testing.assert_array_equal(affine.Affine(w, b, 64)(x), expected)


def test_sums_are_rounded_once() -> None:
    # 1 + 2^-24 is half way between two floats; the product's last bits, lost in double precision, decide.
    w, x = np.float32([[1, 1 + 2.0**-23]]), np.float32([[1], [2.0**-24]])
    assert affine._sequential(w, x)[0, 0] == np.float32(1 + 2.0**-23)
    assert affine._rounded_sum(np.array([2.0**-60]), np.array([1 + 2.0**-24]))[0] == np.float32(1 + 2.0**-23)
    assert affine._rounded_sum(np.array([-(2.0**-60)]), np.array([1 + 2.0**-24]))[0] == np.float32(1)
    small = affine._rounded_sum(np.array([2.0**-150 + 2.0**-190]), np.array([2.0**-130]))  # fewer digits
    assert small[0] == np.float32(2.0**-130 + 2.0**-149)


def one_neuron(weight: float, threshold: float, steps: int = 1) -> LifNetwork:
    values = {"layers.0.weight": [[weight]], "layers.0.bias": [0], "layers.1.weight": [[1]], "layers.1.bias": [0]}
    weights = {name: np.array(value, dtype=np.float32) for name, value in values.items()}
    return LifNetwork(weights, (1, 1, 1), steps=steps, beta=0.5, threshold=threshold)


@pytest.mark.parametrize("way", [plain, compiled, remembered])
def test_a_neuron_at_its_threshold_does_not_fire(way: Any) -> None:
    x = np.float32([[0.5], [np.nextafter(np.float32(0.5), np.float32(1))]])
    np.testing.assert_array_equal(way(one_neuron(1, 0.5), x), [[0], [1]])


@pytest.mark.parametrize("way", [plain, compiled, remembered])
def test_a_neuron_is_reset_by_the_threshold_one_step_later(way: Any) -> None:
    # u: 1, then 0.5 + 1 - 0.75 = 0.75: at the threshold; then 0.375 + 1 = 1.375. Output: 1, 0.5, 1.25.
    assert one_neuron(1, 0.75, 3).spikes(np.float32([[1]]), 0)[0, :, 0].tolist() == [True, False, True]
    np.testing.assert_array_equal(way(one_neuron(1, 0.75, 3), np.float32([[1]])), [[1.25]])


@pytest.mark.parametrize("way", [plain, compiled, remembered])
def test_nan_and_huge_inputs_stay_with_their_event(way: Any) -> None:
    stack, network = pair((5, 6, 5), steps=4, beta=0.9, threshold=0.3)
    x = inputs(300, 5)
    clean = way(network, x)
    spoilt = x.copy()
    spoilt[7], spoilt[100], spoilt[200] = np.nan, 1e30, 3e38  # the last overflows, in whichever order it is summed
    result = way(network, spoilt)
    np.testing.assert_array_equal(result, plain(network, spoilt))
    rest = np.delete(np.arange(300), [7, 100, 200])
    np.testing.assert_array_equal(result[rest], clean[rest])
    expected = truth(stack, spoilt[[7, 100]])
    assert expected.sure.all()
    for outputs in (result[[7, 100]], of_torch(stack, spoilt)[0][[7, 100]]):
        assert (np.abs(outputs - expected.outputs) <= expected.error).all()


@pytest.mark.parametrize("way", [plain, compiled, remembered])
def test_the_split_does_not_matter(way: Any) -> None:
    _, network = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    x = inputs(1100, 19)
    whole = way(network, x)
    for size, n in ((1, 150), (100, 1100), (129, 1100), (513, 1100)):
        parts = [way(network, x[i : i + size]) for i in range(0, n, size)]
        np.testing.assert_array_equal(np.concatenate(parts)[:n], whole[:n])
    np.testing.assert_array_equal(way(network, x[::-1]), whole[::-1])  # neither contiguous nor in order


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    x = inputs(5001, 19)
    two = compiled(network, x)
    monkeypatch.setattr(lif, "TWO_THREADS_FROM", 10_000)
    np.testing.assert_array_equal(compiled(network, x), two)


def test_few_spike_trains_are_remembered_however_many_events_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    x = inputs(2500, 19)
    expected = plain(network, x)
    for rows in (x[:1500], x):
        np.testing.assert_array_equal(remembered(network, rows), expected[: len(rows)])
    trains = {train.tobytes() for train in network.spikes(x, 2)}
    assert network._decoded is not None
    assert network._decoded.known == len(trains) < len(x)
    monkeypatch.setattr(lif, "MOST_REMEMBERED", 0)
    monkeypatch.setattr(network, "_decoded", lif._Decoded(20, 19, least=len(trains)))
    np.testing.assert_array_equal(remembered(network, x), expected)
    assert network._decoded.known == len(trains)
    spread = x * 2
    np.testing.assert_array_equal(remembered(network, spread), plain(network, spread))
    trains = {train.tobytes() for train in network.spikes(spread, 2)}
    assert network._decoded.known == len(trains), "a full table is begun anew"


def test_a_table_that_is_begun_anew_has_its_own_trains_before_others_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = pair((19, 24, 12, 4, 12, 24, 19), steps=5, beta=0.9, threshold=0.3)
    x = inputs(2500, 19)
    expected, decode, calls = plain(network, x), network._decode, []

    def meanwhile(trains: Any) -> Any:
        calls.append(len(trains))
        if len(calls) == 2:  # for the table that is begun anew, while another thread evaluates
            remembered(network, x[:100] * 2)
        return decode(trains)

    monkeypatch.setattr(lif, "MOST_REMEMBERED", 0)
    monkeypatch.setattr(network, "_decode", meanwhile)
    np.testing.assert_array_equal(remembered(network, x), expected)
    assert len(calls) == 4


def test_an_error_on_either_thread_is_raised() -> None:
    done: list[int] = []
    for jobs in ((lambda: 1 / 0, lambda: done.append(1)), (lambda: done.append(2), lambda: 1 / 0)):
        with pytest.raises(ZeroDivisionError):
            parallel.both(*jobs)
    assert done == [1, 2]


def test_the_compiled_loop_is_loaded_only_for_many_events(tmp_path: Path) -> None:
    program = """
import sys, numpy as np
from hepad.nn import lif
shapes = lif.lif_shapes((3, 2, 3))
weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
network = lif.LifNetwork(weights, (3, 2, 3), steps=2, beta=.5, threshold=1)
lif.COMPILE_AFTER = 1000
for n, loaded in ((600, False), (400, False), (1, True)):
    network.outputs(np.ones((n, 3), np.float32))
    assert ("numba" in sys.modules) == loaded, n
assert "torch" not in sys.modules
assert not {"awkward", "vector", "sympy"} & set(sys.modules), "numba loaded its extensions"
from numba.core import entrypoints
assert entrypoints.init_all.__module__ == entrypoints.__name__, "nobody else can load them"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_folder_to_cache_in_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import types

    from hepad import jit

    real = jit.njit

    def njit(signature: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function")
        return real(signature, **options)

    monkeypatch.setattr(jit, "njit", njit)
    assert jit.compiled(types.int64(types.int64))(lambda number: number + 1)(2) == 3


def test_the_shapes_are_those_of_the_torch_module() -> None:
    stack, _ = pair((5, 4, 3, 5), steps=1, beta=0.9, threshold=1.0)
    assert lif_shapes((5, 4, 3, 5)) == {name: array.shape for name, array in get_weights(stack).items()}
    assert lif_kernel.BLOCK % 16 == 0
