"""Makes a bundle from an ONNX file: import, tune each target, choose kernels, write.

This is `jitweb tune` without its command line and progress bar.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.devices.base import Device
from jitweb import bundle
from jitweb.errors import JitwebError
from jitweb.expected import expected_of_variants
from jitweb.model import ImportedModel
from jitweb.plan import Weight, shared_tasks
from jitweb.records import Records
from jitweb.shared_layouts import share_layouts
from jitweb.space.candidate import Candidate
from jitweb.targets import open_target
from jitweb.task_input import TaskInput
from jitweb.tune import Progress, Tuner, TuningResult
from jitweb.variants import OpenShapes, import_variants

# The work after the search: both variants of the kernels, weights, files.
FINISH_SHARE, MOST_FINISH_S = 0.1, 5.0


@dataclass(frozen=True)
class Options:
    """The options of `jitweb tune`; `goes_on` is that of the Tuner."""

    model: Path
    out: Path
    targets: tuple[str, ...] = ("wasm",)
    shapes: OpenShapes = field(default_factory=dict)
    budget_s: float | None = 30.0
    retune: bool = False
    goes_on: bool = False
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)  # of inputs, for good
    inputs: Path | None = None  # an .npz file to verify the bundle with
    shard: int | None = None  # bytes of weights in a file, at most


@dataclass(frozen=True)
class Report:
    """The result; `to_json` returns the documented keys."""

    options: Options
    outcomes: Mapping[str, TuningResult]
    devices: Mapping[str, Mapping[str, str] | None]
    tuning_s: float
    import_s: float
    sizes: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """One entry for each target under `targets`; those of the first also at the top level."""
        parts = {name: self._target(name) for name in self.outcomes}
        first = next(iter(parts.values()))
        return {
            "bundle": str(self.options.out),
            "bundle_bytes": sum(self.sizes.values()),
            "import_s": round(self.import_s, 3),
            "tuning_s": round(self.tuning_s, 3),
            **first,
            "targets": parts,
        }

    def _target(self, name: str) -> dict[str, Any]:
        outcome = self.outcomes[name]
        latency = outcome.latency_ms
        return {
            "latency_ms": None if latency is None else {"min": latency, "median": _median(outcome)},
            "static_ms": static_ms(outcome),
            "device": self.devices[name],
            "measured": outcome.measured,
            "complete": outcome.is_complete,
            "kernels": kernel_rows(outcome),
        }


def static_ms(outcome: TuningResult) -> float | None:
    """The sum of what the first candidates of the static order take; None if one has no time."""
    total = 0.0
    for state in outcome.states.values():
        first = state.times.get(state.candidates[0].text)
        if first is None:
            return None
        total += state.task.sites * first.min_ms
    return total


def _median(outcome: TuningResult) -> float:
    return sum(
        state.task.sites * state.time.median_ms for state in outcome.states.values() if state.time
    )


def kernel_rows(outcome: TuningResult) -> list[dict[str, Any]]:
    """A row for each task, sorted by time, largest first."""
    total = outcome.latency_ms
    rows = []
    for state in outcome.states.values():
        taken = state.task.sites * state.time.min_ms if state.time else None
        rows.append(
            {
                "task": state.task.key,
                "name": state.task.name,
                "kind": state.task.kind,
                "sites": state.task.sites,
                "tried": state.tried,
                "candidates": len(state.candidates),
                "candidate": state.best.text,
                "ms": state.time.min_ms if state.time else None,
                "share": taken / total if taken is not None and total else None,
                "gflops": state.task.flops / state.time.min_ms / 1e6 if state.time else None,
            }
        )
    return sorted(rows, key=lambda row: -((row["ms"] or 0) * row["sites"]))


def task_inputs(models: Sequence[ImportedModel]) -> list[TaskInput]:
    """The tasks of a model's variants for the tuner, with the packed weights of a call of each."""
    weights: dict[str, dict[int, Any]] = {}
    functions: dict[str, Any] = {}
    for model in models:
        functions.update(model.functions)
        for call in model.plan.calls:
            packed = {
                position: model.weights[operand.name]
                for position, operand in enumerate(call.args)
                if isinstance(operand, Weight) and operand.name in model.packed
            }
            weights.setdefault(call.task, packed)
    return [
        TaskInput(
            task.key, task.name, task.kind, functions[task.key], task.sites, task.flops,
            task.bytes, task.constants, task.writes, weights[task.key],
        )
        for task in shared_tasks([model.plan for model in models]).values()
    ]  # fmt: skip


OnImport = Callable[[Sequence[ImportedModel]], None]
OnProgress = Callable[[str, Progress], None]
OnWrong = Callable[[str, TaskInput, Candidate, str], None]


def tune_model(
    options: Options,
    device_for: Callable[[str], Device | None],
    records: Records | None,
    *,
    on_import: OnImport = lambda models: None,
    on_progress: OnProgress = lambda target, progress: None,
    on_wrong: OnWrong = lambda target, task, candidate, message: None,
) -> Report:
    """Import the model, tune it for each target, and write the bundle.

    `device_for` returns the device for a target, or None to choose by the static order.

    Raises:
        JitwebError, DeviceError: an error that the user can fix.
    """
    bundle.check_writable(options.out)
    try:
        bundle.recover(options.out)
    except OSError as error:
        raise JitwebError(f"{options.out} can't be written: {error.strerror}") from None
    started = time.monotonic()
    variants = import_variants(options.model, options.shapes, options.targets, options.values)
    models = [each.model for each in variants]
    on_import(models)
    checks = expected_of_variants(options.model, variants, options.inputs)
    imported = time.monotonic()
    outcomes, devices, sections = {}, {}, {}
    for number, name in enumerate(options.targets):
        device = device_for(name)
        target = open_target(name, device)
        tuner = Tuner(
            target,
            device,
            records,
            remeasure=options.retune,
            goes_on=options.goes_on,
            budget_s=_share(options, number, time.monotonic() - imported),
            on_progress=lambda progress, name=name: on_progress(name, progress),  # type: ignore[misc]
            on_wrong=partial(on_wrong, name),
        )
        outcome = outcomes[name] = tuner.run(task_inputs(models))
        if len(models) > 1:
            share_layouts(tuner, outcome.states, models)
        devices[name] = device.fingerprint() if device else None
        sections[name] = bundle.section(name, target, models, outcome)
    plans = [each.plan for each in models]
    sizes = bundle.write_bundle(options.out, plans, sections, checks, options.shard)
    finished = time.monotonic()
    return Report(options, outcomes, devices, finished - imported, imported - started, sizes)


def _share(options: Options, number: int, spent: float) -> float | None:
    """The seconds for this target's search: its share of the remaining budget."""
    if options.budget_s is None:
        return None
    left = options.budget_s - min(MOST_FINISH_S, FINISH_SHARE * options.budget_s) - spent
    return max(0.5, left / (len(options.targets) - number))
