"""Fuzzing overhead: what a worker spends in addition to TVM's own work.

    python benchmarks/fuzz_overhead.py [--tests 600] [--cases 5000] [--rounds 12] [--json]

Three ratios, each printed with its numerator and denominator:
- tvm_time_share: seconds inside TVM ÷ wall seconds of the workers, over a campaign of `--tests`
  tests (goal: ≥ 0.80);
- armed_compile: time of a compile with the breakpoints of native coverage armed and warm (its own
  blocks were hit before) ÷ without, alternating in one process (goal: ≤ 1.05);
- worker_memory: resident memory of a worker's processes after `--cases` cases ÷ after a tenth of
  them (goal: ≤ 1.2).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from harness.coverage.scope import DEFAULT_SCOPE
from harness.worker.sandbox import Settings, Worker

HANDLER = "tzer.job:handle"
START_SECONDS = 300.0
JOB_SECONDS = 10.0
COMPILES_PER_ROUND = 10
WARM_UP = 5


def tvm_time_share(tests: int) -> dict[str, float]:
    """The share of the workers' wall time inside TVM, in a campaign of this many tests."""
    from corpus.store import Store
    from tzer.campaign import run_campaign
    from tzer.options import CampaignOptions

    with tempfile.TemporaryDirectory() as folder:
        options = CampaignOptions(tests=tests, time_s=None, jobs=1, out=Path(folder) / "campaign")
        with Store.create_or_resume(options.out) as store:
            stats = run_campaign(options, store, lambda _: None)
    return {
        "tests": stats["tests"],
        "worker_s": round(stats["worker_s"], 2),
        "tvm_s": round(stats["tvm_s"], 2),
        "ratio": round(stats["tvm_time_share"], 4),
    }


def armed_compile(rounds: int) -> dict[str, float | str]:
    """Median seconds of a compile with native coverage armed and warm, and without."""
    import tvm
    from tvm import te

    from harness.coverage import native

    works, reason = native.available()
    if not works:
        return {"unavailable": reason}
    left = te.placeholder((64, 64), "float32", "left")
    right = te.placeholder((64, 64), "float32", "right")
    inner = te.reduce_axis((0, 64), "inner")
    product = te.compute((64, 64), lambda i, j: te.sum(left[i, inner] * right[inner, j], inner))
    module = tvm.IRModule({"main": te.create_prim_func([left, right, product])})

    def compiles(number: int) -> list[float]:
        times = []
        for _ in range(number):
            started = time.perf_counter()
            tvm.compile(module, target="llvm")
            times.append(time.perf_counter() - started)
        return times

    coverage = native.NativeCoverage(native.load_block_map(), DEFAULT_SCOPE)
    armed: list[float] = []
    bare: list[float] = []
    compiles(WARM_UP)
    for _ in range(rounds):
        coverage.arm()
        compiles(WARM_UP)
        armed += compiles(COMPILES_PER_ROUND)
        coverage.disarm_all()
        bare += compiles(COMPILES_PER_ROUND)
    medians = statistics.median(armed), statistics.median(bare)
    return {
        "armed_ms": round(1e3 * medians[0], 3),
        "bare_ms": round(1e3 * medians[1], 3),
        "ratio": round(medians[0] / medians[1], 4),
    }


def worker_memory(cases: int) -> dict[str, float]:
    """Resident bytes of a worker's processes after a tenth of the cases and after all."""
    early = late = 0
    with Worker(Settings(handler=HANDLER, scope=DEFAULT_SCOPE, seconds=START_SECONDS)) as worker:
        about = worker.run({"do": "about"}).reply
        request = {"do": "seeds", "targets": ["llvm"]}
        seeds = [seed["case"] for seed in worker.run(request).reply["seeds"]]
        worker.settings = replace(worker.settings, seconds=JOB_SECONDS)
        rng = random.Random(0)
        for number in range(1, cases + 1):
            made = worker.run(_mutant(rng, about, seeds))
            if made.status == "done" and "case" in made.reply:
                worker.run({"do": "run", "case": made.reply["case"]})
            if number == cases // 10:
                early = _resident(worker)
        late = _resident(worker)
    return {
        "cases": cases,
        "early_mib": early >> 20,
        "late_mib": late >> 20,
        "ratio": round(late / early, 4),
    }


def _mutant(rng: random.Random, about: dict[str, Any], seeds: list[str]) -> dict[str, Any]:
    return {
        "do": "mutate",
        "action": rng.choice(("ir", "ir", "draw-passes", "generate")),
        "case": rng.choice(seeds),
        "partner": [],
        "mutators": rng.sample(about["ir_mutators"], len(about["ir_mutators"])),
        "count": rng.randint(1, 4),
        "legal": rng.random() < 0.9,
        "seed": rng.getrandbits(48),
        "targets": ["llvm"],
    }


def _resident(worker: Worker) -> int:
    zygote = psutil.Process(worker.zygote_pid)
    processes = [zygote, *zygote.children(recursive=True)]
    return sum(process.memory_info().rss for process in processes)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=600)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result: dict[str, dict[str, Any]] = {
        "tvm_time_share": tvm_time_share(arguments.tests),
        "armed_compile": armed_compile(arguments.rounds),
        "worker_memory": worker_memory(arguments.cases),
    }
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for name, figures in result.items():
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
