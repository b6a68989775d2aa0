"""The tables of docs/latency.md: each bundled model with logic on every tier, and what a processor does with it.

    python benchmarks/bench_latency.py OUT --logic       # 2 to 6 minutes a design, one after the other
    python benchmarks/bench_latency.py OUT --processor   # keep the machine quiet: p99 and jitter are those of all jobs
    python benchmarks/bench_latency.py OUT               # print the tables of what is in OUT

Each result is kept in OUT as `hepad latency --json` prints it, and a figure of the throughput for each model. What is
there is not made again: remove a file to repeat it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hepad.pipeline.latency.options import LatencyOptions
from hepad.pipeline.latency.run import latency

ROOT = Path(__file__).parents[1]
EVENTS = [str(ROOT / "examples/data/background.h5")]
MODELS = {"snn_ae": "mse", "dnn_ae": "mse", "vae": "kl"}
BITS = (8, 6, 4)


def run_logic(out: Path) -> None:
    for bits in BITS:
        for model, score in MODELS.items():
            path = out / f"{model}-{bits}.json"
            if not path.exists():
                options = LatencyOptions(
                    tiers=("estimated", "synthesised", "simulated"), bits={"weight": bits}, score=score
                )
                report = latency(EVENTS, model, options=options).to_json()
                path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
                print(f"{path.name}: {report['details']['seconds']}", flush=True)


def run_processor(out: Path, options: list[str]) -> None:
    """Each model in a process of its own, for the sake of its memory."""
    for model, score in MODELS.items():
        folder = out / f"{model}-processor"
        if not folder.exists():
            command = [sys.executable, "-m", "hepad", "latency", *EVENTS, "--model", model, "--score", score]
            subprocess.run([*command, "--budget", "hlt-cpu", *options, "-o", str(folder)], check=True)


def load(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def logic_table(out: Path) -> list[str]:
    names = ("model, score", "weight bits", "edges", "estimated ns", "LUT / FF", "yosys LUT / FF / DSP", "Verilator",
             "flips", "seconds", "measured p50, p99")  # fmt: skip
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for model, score in MODELS.items():
        found = load(out / f"{model}-processor/latency.json")
        measured = "" if found is None else _quickest(found)
        lines.append(f"| `{model}`, {score} | float | | | | | | | | {measured} |")
        for bits in BITS:
            report = load(out / f"{model}-{bits}.json")
            if report is not None:
                lines.append(f"| | {bits} | {_logic_cells(report)} | |")
    return lines


def _logic_cells(report: dict[str, Any]) -> str:
    tiers, details = report["tiers"], report["details"]
    estimated, synthesised, simulated = (tiers[name] for name in ("estimated", "synthesised", "simulated"))
    flips = next(item for item in details["decisions"] if item["region"] == "loose")["flips_same_rate"]
    seconds = [f"{details['seconds'][name]:.{digits}f}" for name, digits in
               (("estimated", 1), ("synthesised", 0), ("simulated", 0))]  # fmt: skip
    cells = [
        f"{simulated['clock_edges']}",
        f"{estimated['latency_ns']:.0f} ± {estimated['latency_error_ns']:.0f}",
        f"{estimated['lut']} / {estimated['ff']}",
        f"{synthesised['lut']} / {synthesised['ff']} / {synthesised['dsp']}",
        f"{simulated['bit_exact_events'] - simulated['mismatches']} of {simulated['bit_exact_events']}",
        f"{flips:.2%}",
        ", ".join(seconds),
    ]
    return " | ".join(cells)


def _quickest(report: dict[str, Any]) -> str:
    singles = [t for t in report["details"]["timings"] if (t["batch"], t["threads"]) == (1, 1)]
    best = min(singles, key=lambda t: t["p99_ns"])
    return f"{best['p50_ns'] / 1e3:.0f}, {_micro(best, 'p99')} µs ({best['backend'].split()[0]})"


def _micro(timing: dict[str, Any], name: str) -> str:
    digits = 1 if timing[f"{name}_ns"] < 1e5 else 0
    return f"{timing[f'{name}_ns'] / 1e3:.{digits}f} ± {timing[f'{name}_error_ns'] / 1e3:.{digits}f}"


def single_table(out: Path) -> list[str]:
    lines = [
        "| model | library | p50 µs | p99 µs | jitter µs | best p99 µs | p99 without waiting | had the processor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        report = load(out / f"{model}-processor/latency.json")
        lines += [
            f"| `{model}` | {t['backend'].split()[0]} | {_micro(t, 'p50')} | {_micro(t, 'p99')} | "
            f"{_micro(t, 'jitter')} | {t['p99_best_ns'] / 1e3:.0f} | {_micro(t, 'p99_processor')} | "
            f"{t['on_processor']:.0%} |"
            for t in (report["details"]["timings"] if report else ())
            if (t["batch"], t["threads"]) == (1, 1)
        ]
    return lines


def batch_table(out: Path) -> list[str]:
    lines: list[str] = []
    for model in MODELS:
        report = load(out / f"{model}-processor/latency.json")
        if report is None:
            continue
        timings = report["details"]["timings"]
        batches = sorted({t["batch"] for t in timings})
        if not lines:
            lines = [
                f"| model | library | threads | {' | '.join(map(str, batches))} | MB |",
                "|" + "---|" * (4 + len(batches)),
            ]
        for threads in sorted({t["threads"] for t in timings}):
            for backend in dict.fromkeys(t["backend"] for t in timings):
                own = {t["batch"]: t for t in timings if (t["backend"], t["threads"]) == (backend, threads)}
                rates = " | ".join(_thousands(own[batch]) for batch in batches)
                memory = f"{own[batches[0]]['memory_mb']:.0f} to {own[batches[-1]]['memory_mb']:.0f}"
                lines.append(f"| `{model}` | {backend.split()[0]} | {threads} | {rates} | {memory} |")
        machine = report["details"]["processor"]
        print(
            f"{model}: {machine['name']}, {machine['cores']} cores, load average {machine['load_average']:.2f} before"
        )
    return lines


def _thousands(timing: dict[str, Any]) -> str:
    value = timing["events_per_processor_second"] or timing["events_per_second"]
    return f"{value / 1e3:.0f}" if value >= 1e5 else f"{value / 1e3:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--logic", action="store_true")
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batch", default="16,256,4096,65536")
    parser.add_argument("--seconds", default="3")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    if options.processor:
        words = ["--threads", options.threads, "--batch", options.batch, "--seconds", options.seconds]
        run_processor(options.out, words)
    if options.logic:
        run_logic(options.out)
    for table in (logic_table, single_table, batch_table):
        print("\n".join(["", *table(options.out)]))


if __name__ == "__main__":
    main()
