"""Measures a bundle end to end, with its runtime."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from jitweb.bundle import read_plan
from jitweb.check_inputs import example_inputs
from jitweb.host import open_host
from jitweb.plan import Tensor


def bench_bundle(
    folder: Path, target: str | None, threads: int, seconds: float, device: str = "auto"
) -> dict[str, Any]:
    """Measure the bundle; returns the documented keys of `jitweb bench --json`.

    Raises:
        JitwebError, DeviceError: the bundle can't be run here.
    """
    plan = read_plan(folder)
    with open_host(folder, plan, target, threads, device) as host:
        inputs = example_inputs([Tensor.from_json(entry) for entry in plan["inputs"]])
        measured = host.bench(inputs, seconds)
        calls = host.profile(inputs)
    samples = measured.samples
    return {
        "bundle": str(folder),
        "model": plan["model"],
        "target": host.target,
        "device": host.device,
        "threads": host.threads,
        "latency_ms": {"min": min(samples), "median": statistics.median(samples)},
        "samples": len(samples),
        "first_result_ms": host.load_ms + measured.first_run_ms,
        "load_ms": host.load_ms,
        "timings": dict(measured.timings),
        "tuning_s": plan["targets"][host.target]["tuning"]["seconds"],
        "kernels": _kernels(plan, host.target, calls),
    }


def _kernels(
    plan: dict[str, Any], target: str, calls: list[tuple[str, float | None]]
) -> list[dict[str, Any]]:
    """A row for each task as in `jitweb tune`, with the times of this run.

    They are sorted by time, largest first; times are None if they couldn't be measured.
    """
    tuned = plan["targets"][target]["tuning"]["kernels"]
    spent: dict[str, float | None] = {}
    for key, ms in calls:
        before = spent.setdefault(key, None)
        if ms is not None:
            spent[key] = (before or 0.0) + ms
    total = sum(ms or 0.0 for ms in spent.values())
    rows = []
    for key, whole in sorted(spent.items(), key=lambda each: -(each[1] or 0.0)):
        task = plan["tasks"][key]
        rows.append(
            {
                "task": key,
                "name": task["name"],
                "kind": task["kind"],
                "sites": task["sites"],
                "tried": tuned[key]["tried"],
                "candidate": tuned[key]["candidate"],
                "ms": whole / task["sites"] if whole is not None else None,
                "share": whole / total if whole and total else None,
                "gflops": task["flops"] * task["sites"] / whole / 1e6 if whole else None,
            }
        )
    return rows
