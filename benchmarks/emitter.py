"""The emitter of WebAssembly beside LLVM: what a candidate costs, and how fast the code is.

    python benchmarks/emitter.py MODEL.onnx [--points 3] [--rounds 5] [--no-times] [--json]

For the first points of each task's space, in milliseconds of processor time (medians of rounds):
the schedule (equations to TIR), TVM's passes, then from lowered TIR to a linked module, by either.

- emission: LLVM and linker ÷ emitter and linker, from lowered TIR (goal: 30);
- whole: a candidate by LLVM ÷ one by the emitter, from equations to a module (goal: 6);
- compile_ms: what Node takes to load an emitted module, with the way there and back;
- speed: LLVM's time ÷ the emitter's of the same point, timed alternately in Node; over the model,
  each task with its fastest point of either, by its call sites (goal: 1).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.devices.base import Device
from harness.devices.node import NodeDevice
from harness.targets import wasm
from harness.wasm.emit.module import emit
from jitweb.model import import_model
from jitweb.space.candidate import Candidate
from jitweb.space.wasm import DIRECT
from jitweb.targets import ENTRY, WasmTarget
from jitweb.task_input import TaskInput, make_arguments
from jitweb.workflow import task_inputs

TIMING_SECONDS = 0.4
PARTS = ("schedule", "passes", "emission", "llvm_passes", "llvm")


def processor_ms(action: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    times, result = [], None
    for _ in range(rounds):
        start = time.process_time()
        result = action()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times), result


def costs(candidate: Candidate, rounds: int) -> dict[str, float]:
    """Milliseconds of each part of a candidate, by either way."""
    schedule, kernel = processor_ms(candidate.build, rounds)
    function = kernel.function
    passes, lowered = processor_ms(lambda: wasm.lower_directly(function), rounds)
    emission, _ = processor_ms(
        lambda: wasm.link_alone(emit(ENTRY, lowered, relaxed=True, has_open_rows=True).code), rounds
    )
    llvm_passes, plain = processor_ms(lambda: wasm.lower(function).function, rounds)
    llvm, _ = processor_ms(
        lambda: wasm.link_alone(wasm.build_object({ENTRY: plain}, wasm.WasmOptions())), rounds
    )
    return dict(zip(PARTS, (schedule, passes, emission, llvm_passes, llvm), strict=True))


def points(task: TaskInput, target: WasmTarget, most: int) -> list[Candidate]:
    """The first points of a task's space."""
    candidates = target.candidates(task.function, task.constants)
    return [each for each in candidates if each.point["code"] == DIRECT][:most]


def times(
    task: TaskInput, candidates: list[Candidate], target: WasmTarget, device: Device
) -> tuple[list[tuple[float, float]], list[float]]:
    """Milliseconds of each point by either, and of loading the emitted modules."""
    arguments, found, loading = make_arguments(task), [], []
    for candidate in candidates:
        kernel = candidate.build()
        built = [target.build(replace(kernel, is_direct=each)) for each in (True, False)]
        handles = []
        for each in built:
            start = time.perf_counter()
            handles.append(device.load(each.code))
            if each.lowered.is_direct:
                loading.append(1000 * (time.perf_counter() - start))
        launches = [
            each.launch(handle, arguments, task.writes)
            for each, handle in zip(built, handles, strict=True)
        ]
        ours, theirs = device.time(launches, TIMING_SECONDS)
        found.append((ours.min_ms, theirs.min_ms))
        for handle in handles:
            device.release(handle)
    return found, loading


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--points", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-times", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    target, tasks = WasmTarget(), task_inputs([import_model(options.model, {})])
    rows: list[dict[str, float]] = []
    kernels: list[dict[str, Any]] = []
    loading: list[float] = []
    with NodeDevice() as device:
        for task in tasks:
            taken = points(task, target, options.points)
            rows += [costs(candidate, options.rounds) for candidate in taken]
            if options.no_times:
                continue
            found, loaded = times(task, taken, target, device)
            loading += loaded
            ours, theirs = (min(each) for each in zip(*found, strict=True))
            kernels.append(
                {"task": task.name, "sites": task.sites, "direct_ms": ours, "llvm_ms": theirs,
                 "ratio": theirs / ours}
            )  # fmt: skip
    medians = {part: statistics.median(row[part] for row in rows) for part in PARTS}
    result: dict[str, Any] = {
        "candidates": len(rows),
        "medians_ms": medians,
        "emission": {"ratio": statistics.median(row["llvm"] / row["emission"] for row in rows)},
        "whole": {
            "ratio": statistics.median(
                (row["schedule"] + row["llvm_passes"] + row["llvm"])
                / (row["schedule"] + row["passes"] + row["emission"])
                for row in rows
            )
        },
    }
    if kernels:
        result["compile_ms"] = statistics.median(loading)
        totals = [
            sum(each["sites"] * each[name] for each in kernels) for name in ("direct_ms", "llvm_ms")
        ]
        result["speed"] = {
            "direct_ms": totals[0], "llvm_ms": totals[1], "ratio": totals[1] / totals[0],
            "kernels": kernels,
        }  # fmt: skip
    if options.json:
        print(json.dumps(result))
        return 0
    print("milliseconds:", ", ".join(f"{name} {value:.2f}" for name, value in medians.items()))
    print(f"emission {result['emission']['ratio']:.1f}, whole {result['whole']['ratio']:.1f}")
    for each in sorted(kernels, key=lambda each: -each["sites"] * each["llvm_ms"]):
        print(f"{each['ratio']:5.2f}  {each['sites']:3} x {each['direct_ms']:.4f}  {each['task']}")
    if kernels:
        print(f"all {result['speed']['ratio']:.2f}, loaded in {result['compile_ms']:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
