"""Damage real files in thousands of ways and look at what the readers say: an answer, a clear error, or a fault.

    python benchmarks/fuzz.py [--only delphes ...] [--count 500] [--seed 1] [--json FILE]

Each kind of file is cut at every 1 % of its length, then damaged `--count` times at random (more often where it has no
checksum). A worker process with bounded memory and time reads it. The outcomes:

- same: the answer is that of the undamaged file (the damage hit nothing that is read);
- error: one clear error of hepad, of at most two lines, that names the file;
- unseen: another answer, and no damaged byte is covered by a checksum of the format: no reader could know;
- fault: anything else: a traceback, another answer although a checksum covers the damaged bytes or the file is too
  short, more than the memory or the time allowed, or a process that died.

The exit code is 1 if there is a fault. Everything is drawn from `--seed`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "fuzz")]

from fuzz_targets import TARGETS, Target  # noqa: E402
from fuzz_worker import Outcome, Worker  # noqa: E402
from mutate import Mutation, covered, random_mutation, structure, text_mutation, truncations  # noqa: E402

OUTCOMES = ("same", "error", "unseen", "fault")


def mutations(target: Target, data: bytes, count: int, random: Random) -> list[Mutation]:
    """All truncations, and `count` random ones."""
    favoured = structure(data, covered(data))
    drawn = []
    for _ in range(max(1, int(count * target.share))):
        by_token = target.text and random.random() < 0.5
        drawn.append(text_mutation(random, data) if by_token else random_mutation(random, data, favoured))
    return [*truncations(data), *drawn]


def judged(target: Target, data: bytes, mutation: Mutation, outcome: Outcome) -> str:
    """The name of an outcome; `unseen` is for damage that the format cannot show."""
    if outcome.kind != "other answer":
        return outcome.kind
    if target.covers_all or (mutation.kind == "truncated" and target.knows_its_length):
        return "fault"
    return "fault" if mutation.hits(data, covered(data)) else "unseen"


def run(name: str, count: int, seed: int, folder: Path) -> dict[str, object]:
    """The counts of one kind of file, and its faults."""
    target = TARGETS[name]
    data = target.make(folder)
    random = Random(f"{seed} {name}")
    counts: Counter[str] = Counter()
    unseen: Counter[str] = Counter()
    places: list[str] = []
    faults: list[str] = []
    slowest, start = 0.0, time.perf_counter()
    with Worker(target, data, folder) as worker:
        if not worker.reference:
            return {"name": name, "size": len(data), "faults": [f"cannot be read undamaged: {worker.said}"], "fault": 1}
        for mutation in mutations(target, data, count, random):
            damaged = mutation.apply(data)
            if damaged == data:
                continue
            outcome = worker.read(damaged)
            verdict = judged(target, data, mutation, outcome)
            counts[verdict] += 1
            counts["truncated"] += mutation.kind == "truncated"
            slowest = max(slowest, outcome.seconds)
            if verdict == "unseen":
                unseen[mutation.kind] += 1
                places.append(str(mutation))
            if verdict == "fault":
                faults.append(f"{mutation}: {outcome.said}")
        peak = worker.peak_mb
    return {
        "name": name,
        "size": len(data),
        "tried": sum(counts[o] for o in OUTCOMES),
        "truncated": counts["truncated"],
        **{o: counts[o] for o in OUTCOMES},
        "unseen_kinds": dict(unseen),
        "slowest_s": round(slowest, 2),
        "peak_mb": round(peak),
        "wall_s": round(time.perf_counter() - start, 1),
        "unseen_examples": places[:20],
        "faults": faults,
    }


def main() -> int:
    """Fuzz the kinds of files asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(TARGETS), choices=list(TARGETS), metavar="KIND")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--faults", type=int, default=5, help="how many faults of a kind to print")
    options = parser.parse_args()
    rows = []
    print(f"{'kind':<18}{'bytes':>9}{'tried':>8}" + "".join(f"{o:>8}" for o in OUTCOMES) + f"{'slowest':>10}{'MB':>7}")
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            row = run(name, options.count, options.seed, Path(folder))
        rows.append(row)
        numbers = "".join(f"{row.get(key, 0):>8}" for key in ("tried", *OUTCOMES))
        print(
            f"{name:<18}{row['size']:>9}{numbers}{row.get('slowest_s', 0):>8} s{row.get('peak_mb', 0):>7}", flush=True
        )
        for fault in row["faults"][: options.faults]:  # type: ignore[index]
            print(f"    {fault}")
        sys.stdout.flush()
    totals = {key: sum(int(row.get(key, 0)) for row in rows) for key in ("tried", "truncated", *OUTCOMES)}  # type: ignore[call-overload]
    print(f"{'all':<18}{'':>9}" + "".join(f"{totals[key]:>8}" for key in ("tried", *OUTCOMES)))
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "totals": totals, "kinds": rows}, indent=1) + "\n")
    return 1 if totals["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
