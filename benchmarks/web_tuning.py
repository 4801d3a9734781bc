"""Tuning: compile time of a candidate, adherence to the budget, and quality of the result.

    python benchmarks/web_tuning.py MODEL.onnx [--target wasm|webgpu] [--budget 30] [--json]

- compile_ms: the median time from a candidate to code that a device loads, over all candidates of
  the model's tasks (or every n-th, up to --candidates of them);
- budget: seconds from the imported model to the written bundle ÷ the budget, with empty records;
- worth: latency of the kernels chosen without a limit ÷ latency of those chosen within the budget,
  both timed alternately in one run (goal: ≥ 0.9).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.devices.base import Device, Timing
from harness.devices.table import LANGUAGES, usual_device
from jitweb.model import ImportedModel, import_model
from jitweb.records import Records
from jitweb.targets import WebTarget, open_target
from jitweb.task_input import make_arguments
from jitweb.tune import TaskState, Tuner, TuningResult
from jitweb.workflow import Options, task_inputs, tune_model

RACE_SECONDS = 0.3


def compile_times(model: ImportedModel, target: WebTarget, most: int) -> list[float]:
    """Milliseconds of each candidate's build, except the first, which also initialises TVM."""
    candidates = [
        candidate
        for task in task_inputs([model])
        for candidate in target.candidates(task.function, task.constants)
        if candidate.family != "plain"
    ]
    times = []
    for candidate in candidates[:: max(1, len(candidates) // most)]:
        start = time.perf_counter()
        target.build(candidate.build())
        times.append(1000 * (time.perf_counter() - start))
    return times[1:]


def race(
    states: dict[str, tuple[TaskState, TaskState]], target: WebTarget, device: Device
) -> tuple[float, float]:
    """Milliseconds of the model with the kernels of each choice, timed alternately."""
    totals = [0.0, 0.0]
    for pair in states.values():
        task = pair[0].task
        arguments = make_arguments(task)
        built = [target.build(state.best.build()) for state in pair]
        handles = [device.load(each.code) for each in built]
        launches = [
            each.launch(handle, arguments, task.writes)
            for each, handle in zip(built, handles, strict=True)
        ]
        timings: list[Timing] = device.time(launches, RACE_SECONDS)
        for index, timing in enumerate(timings):
            totals[index] += task.sites * timing.min_ms
        for handle in handles:
            device.release(handle)
    return totals[0], totals[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--target", choices=sorted(LANGUAGES), default="wasm")
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = import_model(arguments.model, targets=(arguments.target,))
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments, model, Path(folder))
    if arguments.json:
        print(json.dumps(result, indent=1))
        return 0
    for name, figures in result.items():
        print(name, figures)
    return 0


def measure(arguments: argparse.Namespace, model: ImportedModel, folder: Path) -> dict[str, Any]:
    device = usual_device(arguments.target).open()
    try:
        target = open_target(arguments.target, device.limits())
        times = compile_times(model, target, arguments.candidates)
        print(f"compiled {len(times)} candidates", file=sys.stderr)
        options = Options(
            arguments.model, folder / "out", (arguments.target,), budget_s=arguments.budget
        )
        with Records(folder / "budget.sqlite3") as records:
            report = tune_model(options, lambda name: device, records)
        print(f"tuned in {report.tuning_s:.1f} s", file=sys.stderr)
        limited = report.outcomes[arguments.target]
        with Records(folder / "unlimited.sqlite3") as records:
            unlimited: TuningResult = Tuner(target, device, records).run(task_inputs([model]))
        print(f"tuned without a limit in {unlimited.seconds:.1f} s", file=sys.stderr)
        pairs = {key: (unlimited.states[key], limited.states[key]) for key in unlimited.states}
        best, within = race(pairs, target, device)
    finally:
        device.close()
    return {
        "compile_ms": {"median": statistics.median(times), "candidates": len(times)},
        "budget": {
            "budget_s": arguments.budget,
            "tuning_s": report.tuning_s,
            "ratio": report.tuning_s / arguments.budget,
        },
        "worth": {
            "unlimited_ms": best,
            "unlimited_s": unlimited.seconds,
            "budget_ms": within,
            "ratio": best / within,
        },
        "model": model.plan.model,
        "target": arguments.target,
    }


if __name__ == "__main__":
    raise SystemExit(main())
