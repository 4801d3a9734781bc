"""Measuring a bundle end to end, with its own runtime."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from jitweb.bundle import read_plan
from jitweb.host import open_host
from jitweb.plan import Tensor
from jitweb.workflow import example_inputs


def bench_bundle(folder: Path, target: str | None, threads: int, seconds: float) -> dict[str, Any]:
    """The documented keys of `jitweb bench --json`.

    Raises:
        JitwebError, DeviceError: the bundle can't be run here.
    """
    plan = read_plan(folder)
    inputs = example_inputs([Tensor.from_json(entry) for entry in plan["inputs"]])
    with open_host(folder, plan, target, threads) as host:
        facts = host.facts
        measured = host.bench(inputs, seconds)
        calls = host.profile(inputs)
    samples = measured["samples"]
    return {
        "bundle": str(folder),
        "model": plan["model"],
        "target": facts["target"],
        "device": facts["device"],
        "threads": facts["threads"],
        "latency_ms": {"min": min(samples), "median": statistics.median(samples)},
        "samples": len(samples),
        "first_result_ms": facts["load_ms"] + measured["first_run_ms"],
        "load_ms": facts["load_ms"],
        "timings": measured["timings"],
        "kernels": _kernels(plan, calls),
    }


def _kernels(plan: dict[str, Any], calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls' times by task, those that take most first; None where no clock saw them."""
    rows: dict[str, dict[str, Any]] = {}
    for call in calls:
        task = plan["tasks"][call["task"]]
        row = rows.setdefault(
            call["task"],
            {
                "task": call["task"],
                "name": task["name"],
                "kind": task["kind"],
                "sites": 0,
                "ms": None,
            },
        )
        row["sites"] += 1
        if call["ms"] is not None:
            row["ms"] = (row["ms"] or 0.0) + call["ms"]
    total = sum(row["ms"] or 0.0 for row in rows.values())
    for row in rows.values():
        row["share"] = row["ms"] / total if row["ms"] and total else None
        flops = plan["tasks"][row["task"]]["flops"] * row["sites"]
        row["gflops"] = flops / row["ms"] / 1e6 if row["ms"] else None
    return sorted(rows.values(), key=lambda row: -(row["ms"] or 0.0))
