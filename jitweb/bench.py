"""Measures a bundle end to end, with its runtime."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from jitweb.bundle import read_plan
from jitweb.check_inputs import example_inputs
from jitweb.errors import JitwebError
from jitweb.host import BundleHost, open_host


def bench_bundle(
    folder: Path,
    target: str | None,
    threads: int,
    seconds: float,
    device: str = "auto",
    length: int | None = None,
) -> dict[str, Any]:
    """Measure the bundle; returns the documented keys of `jitweb bench --json`.

    Where a length is open, at this one, or at the most.

    Those of the first variant are also at the top level.

    Raises:
        JitwebError, DeviceError: the bundle can't be run here.
    """
    plan = read_plan(folder)
    _check_length(folder, plan, length)
    with open_host(folder, plan, target, threads, device) as host:
        parts = [
            _variant(plan, host, number, seconds / len(host.variants), length)
            for number in range(len(host.variants))
        ]
    return {
        "bundle": str(folder),
        "model": plan["model"],
        "target": host.target,
        "device": host.device,
        "threads": host.threads,
        "load_ms": host.load_ms,
        "tuning_s": plan["targets"][host.target]["tuning"]["seconds"],
        **{name: value for name, value in parts[0].items() if name != "when"},
        "variants": parts,
    }


def _check_length(folder: Path, plan: dict[str, Any], length: int | None) -> None:
    """Raises: JitwebError, if no variant can have this length."""
    most = max((each["open"]["most"] for each in plan["variants"] if "open" in each), default=0)
    if length is not None and length > most:
        offered = f"it may be {most} at the most" if most else "the bundle's lengths are fixed"
        raise JitwebError(f"{folder} can't have a length of {length}: {offered}")


def _variant(
    plan: dict[str, Any], host: BundleHost, number: int, seconds: float, length: int | None
) -> dict[str, Any]:
    variant = host.variants[number]
    inputs = example_inputs(variant.at(length).inputs, variant.when)
    measured = host.bench(inputs, seconds)
    calls = host.profile(inputs)
    samples = measured.samples
    return {
        "when": dict(variant.when),
        "length": length if variant.open is None or length else variant.open.most,
        "latency_ms": {"min": min(samples), "median": statistics.median(samples)},
        "samples": len(samples),
        "first_result_ms": host.load_ms + measured.first_run_ms,
        # Those of the runtime have the first run of whichever variant ran first.
        "timings": {**measured.timings, "first_run_ms": measured.first_run_ms},
        "kernels": _kernels(plan, number, host.target, calls),
    }


def _kernels(
    plan: dict[str, Any], number: int, target: str, calls: list[tuple[str, float | None]]
) -> list[dict[str, Any]]:
    """A row for each task as in `jitweb tune`, with the times of this run.

    They are sorted by time, largest first; times are None if they couldn't be measured.
    """
    tuned = plan["targets"][target]["tuning"]["kernels"]
    sites = _sites(plan["variants"][number]["calls"][target])
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
                "sites": sites[key],
                "tried": tuned[key]["tried"],
                "candidate": tuned[key]["candidate"],
                "ms": whole / sites[key] if whole is not None else None,
                "share": whole / total if whole and total else None,
                "gflops": task["flops"] * sites[key] / whole / 1e6 if whole else None,
            }
        )
    return rows


def _sites(calls: list[dict[str, Any]]) -> dict[str, int]:
    """How often a variant calls each task, which may be of several grids."""
    grids: dict[str, set[str]] = {}
    for call in calls:
        grids.setdefault(call["task"], set()).add(call["kernel"])
    counts = Counter(call["task"] for call in calls)
    return {key: count // len(grids[key]) for key, count in counts.items()}
