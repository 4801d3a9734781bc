"""The bundle: what is shipped. A folder with the plan, kernels, weights, runtime and page.

It is written aside and moved into its place, so that a bundle is there whole or not at all. Every
file but the plan has its size and SHA-256 in the plan, which the runtime checks.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from harness.devices.shader import Shader
from harness.targets.wasm import WasmOptions, build_object
from harness.wasm.linker import MAX_PAGES, link
from jitweb.compare import scale_of
from jitweb.errors import JitwebError
from jitweb.model import ImportedModel
from jitweb.plan import Call, Plan, Tensor, Weight
from jitweb.targets import Built, WebTarget
from jitweb.tune import TuningResult

FORMAT = 1
PLAN = "plan.json"
WEIGHTS = "weights.safetensors"
CHECK = "check.safetensors"
CHECKED = 4096  # elements of an output that are kept to verify it by
NOT_SHIPPED = ("_", "host.")  # what the command line alone uses
WASM_VARIANTS = {"relaxed": True, "simd128": False}


@dataclass(frozen=True)
class TargetSection:
    """One target's part of a bundle: its place in the plan, its files, and the weights it reads."""

    plan: dict[str, Any]
    files: dict[str, bytes]
    weights: dict[str, np.ndarray]


@dataclass(frozen=True)
class ExpectedOutputs:
    """Inputs of a model and what it should give for them, from a run elsewhere."""

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    source: str  # who computed the outputs, e.g. "onnx.reference 1.19"


def section(
    name: str, target: WebTarget, model: ImportedModel, outcome: TuningResult
) -> TargetSection:
    """One target's part of the bundle: the best candidate of each task, and how it was found."""
    built = {
        key: state.built or target.build(state.best.build())
        for key, state in outcome.states.items()
    }
    tuning = {
        "seconds": round(outcome.seconds, 3),
        "kernels": {
            key: {"candidate": state.best.text, "tried": state.tried}
            for key, state in outcome.states.items()
        },
    }
    part = SECTIONS[name](model, built)
    return TargetSection(part.plan | {"tuning": tuning}, part.files, part.weights)


def wasm_section(model: ImportedModel, built: Mapping[str, Built]) -> TargetSection:
    """The WebAssembly part: a module with relaxed and one with plain SIMD, of the same kernels."""
    names = {key: f"k{number}" for number, key in enumerate(built)}
    modules, flags, files = {}, {}, {}
    for variant, relaxed in WASM_VARIANTS.items():
        objects = [
            build_object({names[key]: each.lowered}, WasmOptions(relaxed, each.kernel.opt_level))
            for key, each in built.items()
        ]
        linked = link(objects)
        modules[variant] = f"kernels.{variant}.wasm"
        flags[variant] = linked.memory_flag
        files[modules[variant]] = linked.content
    used: dict[str, np.ndarray] = {}
    calls = [
        {
            "task": call.task,
            "kernel": names[call.task],
            "args": _arguments(call, built[call.task].kernel.packings, model.weights, used),
            "rows": built[call.task].scalars[1],
        }
        for call in model.plan.calls
    ]
    plan = {
        "modules": modules,
        "memory_flag": flags,
        "stack_pointer": linked.stack_pointer,
        "static_end": linked.static_end,
        "max_pages": MAX_PAGES,
        "calls": calls,
    }
    return TargetSection(plan, files, used)


def webgpu_section(model: ImportedModel, built: Mapping[str, Built]) -> TargetSection:
    """The WebGPU part: the shaders' code is in the plan itself.

    A task of several grids becomes several calls, one after another.
    """
    shaders: dict[str, Any] = {}
    parts: dict[str, list[tuple[str, Shader]]] = {}
    for number, (key, each) in enumerate(built.items()):
        parts[key] = []
        for place, shader in enumerate(each.lowered):
            name = f"k{number}" if len(each.lowered) == 1 else f"k{number}_{place}"
            parts[key].append((name, shader))
            shaders[name] = {
                "code": shader.code,
                "entry": shader.entry,
                "grid": list(shader.grid),
                "workgroup": list(shader.workgroup),
                "writes": list(shader.writes),
            }
    used: dict[str, np.ndarray] = {}
    calls = []
    for call in model.plan.calls:
        arguments = _arguments(call, built[call.task].kernel.packings, model.weights, used)
        calls += [
            {
                "task": call.task,
                "kernel": name,
                "args": [arguments[position] for position in shader.arguments],
            }
            for name, shader in parts[call.task]
        ]
    largest = max([*model.plan.slots, *(array.nbytes for array in used.values())])
    plan = {
        "shaders": shaders,
        "features": [],
        "limits": {"maxStorageBufferBindingSize": largest, "maxBufferSize": largest},
        "calls": calls,
    }
    return TargetSection(plan, {}, used)


SECTIONS: dict[str, Callable[[ImportedModel, Mapping[str, Built]], TargetSection]] = {
    "wasm": wasm_section,
    "webgpu": webgpu_section,
}


def _arguments(
    call: Call, packings: Any, weights: Mapping[str, np.ndarray], used: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    """The call's arguments for the plan; weights are laid out as the kernel wants them."""
    by_position = {packing.position: packing for packing in packings}
    arguments: list[dict[str, Any]] = []
    for position, operand in enumerate(call.args):
        if not isinstance(operand, Weight):
            arguments.append({"slot": operand.index})
            continue
        name, packing = operand.name, by_position.get(position)
        if packing is not None:
            name = f"{name}.{packing.name}"
        if name not in used:
            weight = weights[operand.name]
            used[name] = weight if packing is None else packing.apply(weight)
        arguments.append({"weight": name})
    return arguments


def write_bundle(
    out: Path, plan: Plan, sections: Mapping[str, TargetSection], check: ExpectedOutputs | None
) -> dict[str, int]:
    """Write the bundle; gives the bytes of each of its files.

    Raises:
        JitwebError: the folder holds something else, or can't be written.
    """
    from safetensors import SafetensorError

    refuse_foreign(out)
    real = Path(os.path.realpath(out))  # where out is a link, it stays one
    aside = real.parent / f".{real.name}.{os.getpid()}"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write_files(aside, plan, sections, check)
        sizes = {path.name: path.stat().st_size for path in sorted(aside.iterdir())}
        _move_into_place(aside, real)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise JitwebError(f"{out} can't be written: {reason}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sizes


def settle(out: Path) -> None:
    """Put right what a run that was killed has left: a bundle that was moved away comes back."""
    real = Path(os.path.realpath(out))
    for path in sorted(real.parent.glob(f".{glob.escape(real.name)}.*")):
        rest = path.name.removeprefix(f".{real.name}.")
        number = rest.removesuffix(".old")
        if not number.isdecimal() or not path.is_dir() or psutil.pid_exists(int(number)):
            continue
        if rest.endswith(".old") and not real.exists():
            path.rename(real)
        else:
            shutil.rmtree(path, ignore_errors=True)


def refuse_foreign(out: Path) -> None:
    """Raises: JitwebError, if the folder is there and is neither empty nor a bundle."""
    if out.is_symlink() and not out.exists():
        raise JitwebError(f"{out} is a link to nothing; name another folder with -o")
    if not out.exists():
        return
    if not out.is_dir():
        raise JitwebError(f"{out} is a file; name a folder with -o")
    if any(out.iterdir()) and not (out / PLAN).is_file():
        raise JitwebError(f"{out} holds other files and no bundle; name a new folder with -o")


def _write_files(
    folder: Path, plan: Plan, sections: Mapping[str, TargetSection], check: ExpectedOutputs | None
) -> None:
    from safetensors.numpy import save_file

    weights = {name: array for part in sections.values() for name, array in part.weights.items()}
    save_file(
        {name: np.ascontiguousarray(array) for name, array in weights.items()}, folder / WEIGHTS
    )
    for section in sections.values():
        for name, content in section.files.items():
            (folder / name).write_bytes(content)
    if check is not None:
        save_file(_sample(check), folder / CHECK, {"source": check.source})
    for path in folder.glob("*.safetensors"):
        path.chmod(0o666 & ~_umask())  # it makes them the owner's alone, which no server can read
    for entry in resources.files("jitweb.web").iterdir():
        if entry.is_file() and not entry.name.startswith(NOT_SHIPPED):
            (folder / entry.name).write_bytes(entry.read_bytes())
    package = {
        "name": re.sub(r"[^a-z0-9-]+", "-", plan.model.lower()).strip("-") or "model",
        "version": "0.0.0",
        "private": True,
        "type": "module",
        "main": "runtime.mjs",
        "types": "runtime.d.ts",
    }
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    listing = {
        path.name: {"bytes": path.stat().st_size, "sha256": _digest(path)}
        for path in sorted(folder.iterdir())
    }
    whole = {
        "format": FORMAT,
        "model": plan.model,
        **plan.to_json(),
        "files": listing,
        "targets": {name: part.plan for name, part in sections.items()},
    }
    (folder / PLAN).write_text(json.dumps(whole, separators=(",", ":")) + "\n")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sample(check: ExpectedOutputs) -> dict[str, np.ndarray]:
    """Inputs whole; of each output some elements, spread evenly, and their places."""
    arrays = {  # with their shapes, that of a scalar too
        f"input.{name}": np.ascontiguousarray(array).reshape(array.shape)
        for name, array in check.inputs.items()
    }
    for name, array in check.outputs.items():
        flat = np.ascontiguousarray(array).reshape(-1)
        places = np.unique(np.linspace(0, max(flat.size - 1, 0), CHECKED).astype(np.int64))
        places = places[: flat.size]
        arrays[f"output.{name}"] = flat[places]
        arrays[f"places.{name}"] = places
        arrays[f"scale.{name}"] = np.array([scale_of(flat)], np.float64)
    return arrays


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _move_into_place(aside: Path, real: Path) -> None:
    if not real.exists():
        aside.rename(real)
        return
    old = real.parent / f".{real.name}.{os.getpid()}.old"
    try:
        real.rename(old)
        aside.rename(real)
    except BaseException:  # Ctrl-C too
        if not real.exists():
            old.rename(real)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_plan(folder: Path) -> dict[str, Any]:
    """A bundle's plan, with all that the command line reads of it.

    Raises:
        JitwebError: it is no bundle, or of another format, or damaged.
    """
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        is_ours = not isinstance(plan, dict) or plan.get("format", FORMAT) == FORMAT
        if is_ours:
            _check_plan(plan)
    except FileNotFoundError:
        raise JitwebError(f"{folder} is no bundle: it has no {PLAN}") from None
    except NotADirectoryError:
        raise JitwebError(f"{folder} is a file; name the bundle's folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise JitwebError(f"{folder / PLAN} can't be read: {error}") from None
    if not is_ours:
        raise JitwebError(f"{folder} is of another format than this jitweb's; tune the model again")
    return plan  # type: ignore[no-any-return]


PLAN_FIELDS = {
    "format": int, "model": str, "inputs": list, "outputs": list, "slots": list, "tasks": dict,
    "files": dict, "targets": dict,
}  # fmt: skip


TASK_FIELDS = {"kind": str, "name": str, "flops": int | float, "sites": int}
TUNING_FIELDS = {"seconds": int | float, "kernels": dict}
CHOICE_FIELDS = {"candidate": str, "tried": int}
MOST = 1e30  # greater numbers are no count of anything


def _check_plan(plan: Any) -> None:
    if not isinstance(plan, dict):
        raise ValueError("it is no plan")
    for name, kind in PLAN_FIELDS.items():
        if not _has(plan, {name: kind}):
            raise ValueError(f"its {name} is missing or of another type")
    for tensor in (*plan["inputs"], *plan["outputs"]):
        Tensor.from_json(tensor)
    for name, facts in plan["files"].items():
        if "/" in name or "\\" in name or not isinstance(facts, dict) or "sha256" not in facts:
            raise ValueError(f"{name!r} is no file of a bundle")
    for task in plan["tasks"].values():
        if not _has(task, TASK_FIELDS) or task["sites"] < 1:
            raise ValueError("a task lacks its kind, name, operations or call sites")
    if not plan["targets"]:
        raise ValueError("it has no target")
    for name, part in plan["targets"].items():
        if name not in SECTIONS:
            raise ValueError(f"{name!r} is no target")
        tuning = part["tuning"] if _has(part, {"tuning": dict}) else {}
        if not _has(tuning, TUNING_FIELDS) or not all(
            _has(tuning["kernels"].get(key), CHOICE_FIELDS) for key in plan["tasks"]
        ):
            raise ValueError(f"it does not say how it was tuned for {name}; tune the model again")
        if not _has(part, {"calls": list}) or not all(
            _has(call, {"task": str}) and call["task"] in plan["tasks"] for call in part["calls"]
        ):
            raise ValueError(f"a call for {name} is of no task")


def _has(value: Any, fields: Mapping[str, Any]) -> bool:
    """Whether it is a JSON object with these fields, each of its type; numbers are counts."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), kind) and _is_sane(value[name]) for name, kind in fields.items()
    )


def _is_sane(value: Any) -> bool:
    is_number = isinstance(value, int | float)
    return not is_number or (not isinstance(value, bool) and 0 <= value < MOST)


def changed_files(folder: Path, plan: Mapping[str, Any]) -> list[str]:
    """The bundle's files that are missing or not as they were written."""
    return [
        name
        for name, facts in plan["files"].items()
        if not (folder / name).is_file() or _digest(folder / name) != facts["sha256"]
    ]
