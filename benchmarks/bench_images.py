"""How fast a network of images scores one event on one core, by every way that was tried, side by side in one run.

    python benchmarks/bench_images.py BUNDLE FILE [FILE ...] [--score bce --score z2] [--calls 60] [--bfloat16]

Ways take turns, event by event, after a warm-up. Times are those that the process had the core, so that other jobs add
to them only by what they do to the caches. Beside each way: how its scores agree with those of plain torch in single
precision, by rank and by the decisions at the threshold of a region.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from scipy.stats import spearmanr

from hepad.nn.one_score import HasScoreModule
from hepad.pipeline.latency.libraries import LibraryModel, functions
from hepad.pipeline.latency.measured import float_model
from hepad.samples.trigger import float_events
from hepad.trigger.module_graph import module_onnx
from hepad.trigger.onnx_graph import onnx_session

Way = Callable[[np.ndarray], Any]
PLAIN = "torch as it is"


class Examples(CalibrationDataReader):
    """Events for the ranges of static quantisation."""

    def __init__(self, x: np.ndarray) -> None:
        self.rows = iter([{"x": x[i : i + 1]} for i in range(len(x))])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.rows, None)


def torch_ways(model: LibraryModel, x: np.ndarray, bfloat16: bool) -> dict[str, Way]:
    assert isinstance(model.scorer, HasScoreModule)
    make = model.scorer.score_module

    def run(module: Any, prepare: Callable[[torch.Tensor], torch.Tensor] = lambda rows: rows) -> Way:
        def score(rows: np.ndarray) -> Any:
            with torch.inference_mode():
                return module(prepare(torch.from_numpy(rows))).float().numpy()

        return score

    def copied(module: Any) -> Any:
        data = io.BytesIO()
        with torch.no_grad():
            torch.jit.save(torch.jit.trace(module, torch.from_numpy(x[:1]), check_trace=False), data)
        data.seek(0)
        return torch.jit.load(data).eval()

    ways = {PLAIN: run(make(model.score))}
    frozen = torch.jit.freeze(copied(make(model.score)))
    ways["torch.jit, frozen and optimised"] = run(torch.jit.optimize_for_inference(frozen))
    last = copied(make(model.score)).to(memory_format=torch.channels_last)
    ways["torch, channels last"] = run(last, lambda rows: rows.contiguous(memory_format=torch.channels_last))
    plain = make(model.score)

    def half(rows: torch.Tensor) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return plain(rows)

    if bfloat16:
        ways["torch, bfloat16"] = run(half)
    return ways


def onnx_ways(model: LibraryModel, x: np.ndarray, folder: Path) -> dict[str, Way]:
    assert isinstance(model.scorer, HasScoreModule)
    path = folder / "model.onnx"
    path.write_bytes(module_onnx(model.scorer.score_module(model.score), [x[:1]]))
    quant_pre_process(str(path), str(folder / "ready.onnx"), skip_symbolic_shape=True)
    quantize_dynamic(folder / "ready.onnx", folder / "dynamic.onnx")
    quantize_static(folder / "ready.onnx", folder / "static.onnx", Examples(x[:32]))
    found: dict[str, Way] = {}
    for name, file in (("int8, dynamic", "dynamic.onnx"), ("int8, static", "static.onnx")):
        session = onnx_session(onnx.load(folder / file).SerializeToString())
        found[f"onnxruntime, {name}"] = lambda rows, run=session.run: run(["score"], {"x": rows})[0]
    return found


def measure(ways: dict[str, Way], x: np.ndarray, calls: int) -> dict[str, np.ndarray]:
    """Seconds of the core for each call."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for call in range(calls + 3):
        rows = np.ascontiguousarray(x[call % len(x)][np.newaxis])
        for name, way in ways.items():
            way(rows)  # finds the cache as its own calls leave it
            start = time.process_time()
            way(rows)
            taken[name].append(time.process_time() - start)
    return {name: np.array(times[3:]) for name, times in taken.items()}


def table(model: LibraryModel, x: np.ndarray, options: argparse.Namespace) -> None:
    left_out: list[str] = []
    known = functions(model, "detector_image", 1, left_out)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ways = torch_ways(model, x, options.bfloat16) | {
            "onnxruntime": known[next(n for n in known if n.startswith("onnxruntime"))]
        }
        ways |= onnx_ways(model, x, Path(folder))
    ways["hepad"] = known["hepad"]
    taken, plain = measure(ways, x, options.calls), np.array([])
    threshold = model.regions()[options.region].threshold
    print(f"\nscore {model.score}, {len(x)} events, {options.calls} calls of one event each\n")
    print("| | p50 ms | p99 ms | times torch | rank correlation | decisions that differ |\n|---|---|---|---|---|---|")
    for name, way in ways.items():
        scores = np.concatenate([np.atleast_1d(way(x[i : i + 1])) for i in range(len(x))])
        plain = scores if name == PLAIN else plain
        flips = int(((scores >= threshold) != (plain >= threshold)).sum())
        p50, p99 = np.percentile(taken[name] * 1e3, [50, 99])
        ratio = np.median(taken[PLAIN]) / np.median(taken[name])
        print(
            f"| {name} | {p50:.1f} | {p99:.1f} | {ratio:.1f} | {spearmanr(plain, scores).statistic:.6f} | {flips} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--score", action="append")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--region", default="loose")
    parser.add_argument("--bfloat16", action="store_true", help="torch in it, too: very slow where it is emulated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for score in options.score or ["bce", "z2"]:
        model = float_model(options.bundle, score)
        events = float_events(model.bundle, options.files, max_events=options.events, seed=0)
        table(model, np.ascontiguousarray(events.x[:], dtype=np.float32), options)


if __name__ == "__main__":
    main()
