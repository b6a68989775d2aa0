"""Inject faults into real runs of `hepad score` and see that the output has the bytes of an undisturbed run.

    python benchmarks/faults.py [FILE ...] [--rounds 10] [--seed 1] [--model dnn_ae] [--json counts.json]

Faults, each at a random moment: a worker process is killed; the command is killed with SIGKILL, SIGTERM or SIGINT, once
or three times; the disk is full (a limit on the size of files), then not; a file is truncated, then replaced by a good
copy; a finished part is damaged; a Dask worker is lost. A run counts as survived if, after the command was given again
where it had ended, the output is identical and no unit was done twice that was kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

STEP = 500


class Bench:
    """A folder with inputs, and the bytes that they should give."""

    def __init__(self, folder: Path, files: list[Path], model: str, rng: random.Random) -> None:
        self.folder, self.model, self.rng = folder, model, rng
        self.files = [Path(shutil.copy(path, folder / f"{i}.root")) for i, path in enumerate(files)]
        self.output = folder / "scores.root"
        self.seconds = time.perf_counter()
        assert self.finish([]) == 0, "the undisturbed run failed"
        self.seconds = time.perf_counter() - self.seconds
        self.expected = self.output.read_bytes()
        self.units = 0

    def start(self, options: list[str], limit: int | None = None) -> subprocess.Popen[bytes]:
        words = ["score", *map(str, self.files), "-m", self.model, "-o", str(self.output), "--step-size", str(STEP)]
        command = [sys.executable, "-m", "hepad", *words, *options]
        # A command that runs in the background ignores Ctrl-C, and so do its children: undo that.
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: _prepare(limit),  # noqa: PLW1509  there are no threads here
        )

    def finish(self, options: list[str]) -> int:
        with self.start(options) as process:
            _, errors = process.communicate()
        assert b"Traceback" not in errors, errors.decode()
        return process.returncode

    def fresh(self) -> None:
        self.output.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "scores.root.run", ignore_errors=True)

    def same(self) -> bool:
        rest = {path.name for path in self.folder.iterdir()} - {path.name for path in self.files} - {"scores.root"}
        return not rest and self.output.read_bytes() == self.expected

    def parts(self) -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in self.folder.glob("scores.root.run/score/*.safetensors")}

    def wait_for_parts(self, process: subprocess.Popen[bytes], count: int) -> None:
        """Until the command has begun (what comes before is Python's own start) and has made so many parts."""
        begun = self.folder / "scores.root.run" / "score"
        while process.poll() is None and (not begun.exists() or len(self.parts()) < count):
            time.sleep(0.005)

    def random_count(self) -> int:
        return self.rng.randint(0, max(1, sum(1 for _ in range(0, 6000 * len(self.files), STEP)) - 4))


def _prepare(limit: int | None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def kill_worker(bench: Bench) -> bool:
    with bench.start(["--workers", "2"]) as process:
        bench.wait_for_parts(process, bench.random_count())
        workers = [p for p in children(process.pid) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
        if workers and process.poll() is None:
            os.kill(bench.rng.choice(workers), signal.SIGKILL)
        process.communicate()
    return process.returncode == 0 and bench.same()


def killed(number: signal.Signals, times: int) -> Callable[[Bench], bool]:
    def fault(bench: Bench) -> bool:
        for _ in range(times):
            before = bench.parts()
            with bench.start(["--workers", bench.rng.choice(["1", "2"])]) as process:
                bench.wait_for_parts(process, len(before) + bench.rng.randint(0, 6))
                time.sleep(bench.rng.random() * 0.05)
                if process.poll() is None:
                    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
                _, errors = process.communicate()
            if b"Traceback" in errors:
                print(errors.decode())
            if b"Traceback" in errors or any(bench.parts().get(n, t) != t for n, t in before.items()):
                return False  # a part that was kept was made again
            if process.returncode == 0:
                break
        return bench.finish([]) == 0 and bench.same()

    return fault


def disk_full(bench: Bench) -> bool:
    """No file may grow beyond a size that the parts, or only the output, do not fit in."""
    limit = bench.rng.choice([500, 20_000, len(bench.expected) // 2])
    with bench.start([], limit) as process:
        _, errors = process.communicate()
    told = process.returncode == 2 and errors.count(b"\n") == 1
    return told and not bench.output.exists() and bench.finish([]) == 0 and bench.same()


def truncated(bench: Bench) -> bool:
    path = bench.rng.choice(bench.files)
    good = path.read_bytes()
    os.truncate(path, bench.rng.randrange(len(good)))
    told = bench.finish([]) == 4 and not bench.output.exists()
    path.write_bytes(good)
    return told and bench.finish(["--workers", "2"]) == 0 and bench.same()


def damaged_part(bench: Bench) -> bool:
    with bench.start([]) as process:
        bench.wait_for_parts(process, 5)
        process.kill()
        process.communicate()
    parts = sorted(bench.folder.glob("scores.root.run/score/*.safetensors"))
    if parts:
        path = bench.rng.choice(parts)
        data = bytearray(path.read_bytes())
        place = bench.rng.randrange(len(data))
        data[place] ^= 1 << bench.rng.randrange(8)
        path.write_bytes(data[: bench.rng.choice([len(data), place])])
    return bench.finish([]) == 0 and bench.same()


def lost_dask_worker(bench: Bench) -> bool:
    import distributed

    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR") as cluster:
        with distributed.Client(cluster) as client:
            workers = list(client.run(os.getpid).values())
        with bench.start(["--executor", "dask", "--scheduler", cluster.scheduler_address]) as process:
            bench.wait_for_parts(process, bench.random_count())
            os.kill(bench.rng.choice(workers), signal.SIGKILL)
            process.communicate()
    return process.returncode == 0 and bench.same()


FAULTS: dict[str, Callable[[Bench], bool]] = {
    "worker killed": kill_worker,
    "kill -9, resumed": killed(signal.SIGKILL, 1),
    "SIGTERM, resumed": killed(signal.SIGTERM, 1),
    "Ctrl-C, resumed": killed(signal.SIGINT, 1),
    "kill -9 three times, resumed": killed(signal.SIGKILL, 3),
    "disk full, resumed": disk_full,
    "truncated input, replaced": truncated,
    "damaged part, resumed": damaged_part,
    "Dask worker killed": lost_dask_worker,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[Path("examples/data/w_lnu.root")] * 3)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="dnn_ae")
    parser.add_argument("--only", default="", help="faults whose names have this word")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    survived: Counter[str] = Counter()
    names = [name for name in FAULTS if options.only in name]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.files, options.model, random.Random(options.seed))
        for name in names:
            for number in range(options.rounds):
                bench.fresh()
                if FAULTS[name](bench):
                    survived[name] += 1
                else:
                    print(f"NOT survived: {name}, round {number}", flush=True)
            print(f"{name:<32} {survived[name]:>4} of {options.rounds}", flush=True)
    if options.json:
        counts = {name: {"injected": options.rounds, "survived": survived[name]} for name in names}
        options.json.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    if any(survived[name] < options.rounds for name in names):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
