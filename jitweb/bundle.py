"""The bundle: what is shipped. A folder with the plan, kernels, weights, runtime and page.

It is written as a temporary folder and renamed, so that a bundle is there whole or not at all.
Every file but the plan has its size and SHA-256 in the plan, which the runtime checks.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from harness.devices.shader import LEAST_LIMITS, Shader
from harness.system.data import is_amount
from harness.system.files import open_bounded, read_bounded
from harness.wasm.linker import MAX_PAGES, link
from jitweb.compare import scale_of
from jitweb.errors import JitwebError
from jitweb.extent import extent_json
from jitweb.kernel_text import kernel_text
from jitweb.model import ImportedModel, aligned
from jitweb.plan import Call, Plan, Weight, shared_tasks, task_json
from jitweb.plan_check import FORMAT, MOST_BYTES, MOST_PLAN_BYTES, OtherFormat, parse_plan
from jitweb.targets import Built, WebTarget
from jitweb.tune import TaskState, TuningResult
from jitweb.weight_files import write_weights

PLAN = "plan.json"
RESTORE = "copy the bundle again, or tune the model again"  # as the runtime says it
SIGNATURE = "tensors.d.mts"
OLDEST_NODE = ">=20.16"  # the first with process.getBuiltinModule
CHECKED = 4096  # elements of an output that are kept to verify it by
NOT_SHIPPED = ("_", "host.")  # what the command line alone uses
# What a run that was killed leaves beside a bundle: .NAME.PID.RANDOM; with .old what it replaced.
LEFT = re.compile(r"(\d{1,9})(?:\.\w{8})?(\.old)?", re.ASCII)
WASM_SCALARS = 2  # the rows from and to which a kernel is to go; a length comes before them
WASM_VARIANTS = {"relaxed": True, "simd128": False}


@dataclass(frozen=True)
class TargetSection:
    """One target's part of a bundle: its place in the plan, its files, and the weights it reads.

    `calls` are those of each variant.
    """

    plan: dict[str, Any]
    calls: list[list[dict[str, Any]]]
    files: dict[str, bytes]
    weights: dict[str, np.ndarray]


@dataclass(frozen=True)
class ExpectedOutputs:
    """Inputs of a model and what it should compute from them, by each that has computed it.

    The keys of `outputs` are these sources, such as "onnx.reference 1.19"; the values are by the
    outputs' names. They are of one variant, by its number.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, Mapping[str, np.ndarray]]
    variant: int = 0
    length: int | None = None  # where one is open


def section(
    name: str, target: WebTarget, models: Sequence[ImportedModel], outcome: TuningResult
) -> TargetSection:
    """One target's part of the bundle: the best candidate of each task, and how it was found.

    `models` are the variants of one.
    """
    built = {key: _built(target, state) for key, state in outcome.states.items()}
    tuning = {
        "seconds": round(outcome.seconds, 3),
        "kernels": {
            key: {"candidate": state.best.text, "tried": state.tried}
            for key, state in outcome.states.items()
        },
    }
    part = SECTIONS[name](models, built)
    return replace(part, plan=part.plan | {"tuning": tuning})


def _built(target: WebTarget, state: TaskState) -> Built:
    """A task's best candidate, compiled; with its fallback, if it needs a feature."""
    best = state.built or target.build(state.best.build())
    if state.best.fallback is None:
        return best
    return replace(target.build(state.best.fallback.build()), with_halves=best)


def wasm_section(models: Sequence[ImportedModel], built: Mapping[str, Built]) -> TargetSection:
    """The WebAssembly part: a module with relaxed and one with plain SIMD, of the same kernels."""
    names = {key: f"k{number}" for number, key in enumerate(built)}
    modules, flags, files = {}, {}, {}
    for variant, relaxed in WASM_VARIANTS.items():
        objects = [
            each.lowered.compiled(names[key], relaxed=relaxed) for key, each in built.items()
        ]
        linked = link(objects)
        modules[variant] = f"kernels.{variant}.wasm"
        flags[variant] = linked.memory_flag
        files[modules[variant]] = linked.content
    used: dict[str, np.ndarray] = {}
    calls = []
    for model in models:
        calls.append([_wasm_call(call, model, names, built, used) for call in model.plan.calls])
    plan = {
        "modules": modules,
        "memory_flag": flags,
        "stack_pointer": linked.stack_pointer,
        "static_end": linked.static_end,
        "max_pages": MAX_PAGES,
    }
    return TargetSection(plan, calls, files, used)


def _wasm_call(
    call: Call,
    model: ImportedModel,
    names: Mapping[str, str],
    built: Mapping[str, Built],
    used: dict[str, np.ndarray],
) -> dict[str, Any]:
    kernel = built[call.task]
    scratch, size = _scratch(kernel.scratch)
    return {
        "task": call.task,
        "kernel": names[call.task],
        "args": _arguments(call, kernel.kernel.packings, model.weights, used) + scratch,
        "rows": extent_json(kernel.scalars[-1]),
        **({"takes_length": True} if len(kernel.scalars) > WASM_SCALARS else {}),
        **({"scratch": size} if scratch else {}),
    }


def _scratch(sizes: Sequence[int]) -> tuple[list[dict[str, Any]], int]:
    """The arguments for a kernel's scratch buffers, as offsets in a thread's arena, and its size.

    A thread's calls come one after another and share the arena.
    """
    arguments, end = [], 0
    for size in sizes:
        arguments.append({"scratch": end})
        end += aligned(size)
    return arguments, end


def webgpu_section(models: Sequence[ImportedModel], built: Mapping[str, Built]) -> TargetSection:
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
            shaders[name] = _shader(shader)
            if each.with_halves is not None:
                shaders[name]["halves"] = _shader(each.with_halves.lowered[place])
    used: dict[str, np.ndarray] = {}
    calls: list[list[dict[str, Any]]] = []
    for model in models:
        calls.append([])
        for call in model.plan.calls:
            each = built[call.task]
            arguments = _arguments(call, each.kernel.packings, model.weights, used)
            arguments += [{"length": True} for _ in each.lengths]
            calls[-1] += [
                {
                    "task": call.task,
                    "kernel": name,
                    "args": [arguments[position] for position in shader.arguments],
                    **({"grid": list(map(extent_json, each.grids[place]))} if each.grids else {}),
                }
                for place, (name, shader) in enumerate(parts[call.task])
            ]
    slots = (size for model in models for size in model.plan.slots)
    largest = max([*slots, *(array.nbytes for array in used.values())])
    limits = {"maxStorageBufferBindingSize": largest, "maxBufferSize": largest}
    most = max((shader.bindings for each in parts.values() for _, shader in each), default=0)
    if most > LEAST_LIMITS["maxStorageBuffersPerShaderStage"]:
        limits["maxStorageBuffersPerShaderStage"] = most
    plan = {
        "shaders": shaders,
        "features": [],
        "limits": limits,
    }
    return TargetSection(plan, calls, {}, used)


def _shader(shader: Shader) -> dict[str, Any]:
    return {
        "code": shader.code,
        "entry": shader.entry,
        "grid": list(shader.grid),
        "workgroup": list(shader.workgroup),
        "writes": list(shader.writes),
    }


SECTIONS: dict[str, Callable[[Sequence[ImportedModel], Mapping[str, Built]], TargetSection]] = {
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
    out: Path,
    plans: Sequence[Plan],
    sections: Mapping[str, TargetSection],
    checks: Sequence[ExpectedOutputs],
    shard: int | None = None,
) -> dict[str, int]:
    """Write the bundle of a model's variants; returns the bytes of each of its files.

    `shard` is how many bytes of weights a file has at most.

    Raises:
        JitwebError: the folder holds something else, or can't be written, or `shard` is too small.
    """
    from safetensors import SafetensorError

    refuse_foreign(out)
    real = Path(os.path.realpath(out))  # where out is a link, it stays one
    made: Path | None = None
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        # A new folder, of a name that nobody can guess and put a link at.
        made = Path(tempfile.mkdtemp(prefix=f".{real.name}.{os.getpid()}.", dir=real.parent))
        made.chmod(0o777 & ~_umask())
        _write_files(made, plans, sections, checks, shard)
        sizes = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
        _move_into_place(made, real)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise JitwebError(f"{out} can't be written: {reason}") from None
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
    return sizes


def recover(out: Path) -> None:
    """Put right what a run that was killed has left: a bundle that was moved away comes back."""
    real = Path(os.path.realpath(out))
    for path in sorted(real.parent.glob(f".{glob.escape(real.name)}.*")):
        left = LEFT.fullmatch(path.name.removeprefix(f".{real.name}."))
        if left is None or not _is_own_folder(path) or psutil.pid_exists(int(left[1])):
            continue
        if left[2] and not real.exists():
            path.rename(real)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is_own_folder(path: Path) -> bool:
    """Whether it is a folder of this user's, and no link to one."""
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


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


def check_writable(out: Path) -> None:
    """Check that the bundle's folder can be made, before anybody works for it.

    Raises:
        JitwebError: it holds something else, or can't be made.
    """
    real = Path(os.path.realpath(out))
    there = next((each for each in real.parents if os.path.lexists(each)), real)
    shown = there if out.is_absolute() else os.path.relpath(there)
    try:
        refuse_foreign(out)
        if there.is_dir():
            os.rmdir(tempfile.mkdtemp(prefix=f".{real.name}.{os.getpid()}.", dir=there))
            return
        reason = f"{shown} is a file"
    except OSError as error:
        reason = f"{shown} takes no new folder ({error.strerror})"
    raise JitwebError(f"{out} can't be written: {reason}; name another folder with -o") from None


def check_file(number: int, length: int | None = None) -> str:
    """The file that a variant is verified by, at a length where one is open."""
    return f"check{number or ''}{'' if length is None else f'.{length}'}.safetensors"


def _write_files(
    folder: Path,
    plans: Sequence[Plan],
    sections: Mapping[str, TargetSection],
    checks: Sequence[ExpectedOutputs],
    shard: int | None,
) -> None:
    from safetensors.numpy import save_file

    weights = {name: array for part in sections.values() for name, array in part.weights.items()}
    files = write_weights(folder, weights, shard)
    for section in sections.values():
        for name, content in section.files.items():
            (folder / name).write_bytes(content)
    for check in checks:
        sources = {"sources": json.dumps(list(check.outputs))}
        save_file(sample(check), folder / check_file(check.variant, check.length), sources)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o666 & ~_umask())  # it makes them the owner's alone, which no server can read
    for entry in resources.files("jitweb.web").iterdir():
        if entry.is_file() and not entry.name.startswith(NOT_SHIPPED):
            (folder / entry.name).write_bytes(entry.read_bytes())
    package = {
        "name": re.sub(r"[^a-z0-9-]+", "-", plans[0].model.lower()).strip("-") or "model",
        "version": "0.0.0",
        "private": True,
        "type": "module",
        "engines": {"node": OLDEST_NODE},
        "exports": {
            ".": {"types": "./runtime.d.mts", "default": "./runtime.mjs"},
            "./*": "./*",
        },
        "main": "runtime.mjs",
        "types": "runtime.d.mts",
    }
    (folder / SIGNATURE).write_text(_signature(plans))
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    listing = {
        path.name: {"bytes": path.stat().st_size, "sha256": _digest(path)}
        for path in sorted(folder.iterdir())
    }
    whole = {
        "format": FORMAT,
        "model": plans[0].model,
        "tasks": {
            key: task_json(task) | {"what": kernel_text(task)}
            for key, task in shared_tasks(plans).items()
        },
        "files": listing,
        "weights": files,
        "targets": {name: part.plan for name, part in sections.items()},
        "variants": [
            plan.to_json() | {"calls": {name: part.calls[n] for name, part in sections.items()}}
            for n, plan in enumerate(plans)
        ],
    }
    (folder / PLAN).write_text(json.dumps(whole, separators=(",", ":")) + "\n")


def _signature(plans: Sequence[Plan]) -> str:
    """The names and dtypes of inputs and outputs for TypeScript; `?` where a variant lacks one."""

    def declared(name: str, role: str) -> str:
        variants = [{each.name: each.dtype for each in getattr(plan, role)} for plan in plans]
        dtypes = {tensor: dtype for each in variants for tensor, dtype in each.items()}
        lines = [
            f"  readonly {json.dumps(tensor)}{'?' * any(tensor not in each for each in variants)}: "
            f'"{dtype}";\n'
            for tensor, dtype in dtypes.items()
        ]
        return f"export type {name} = {{\n{''.join(lines)}}};\n"

    heading = "/** The inputs and outputs of this bundle's model, and their dtypes. */\n\n"
    return heading + "\n".join([declared("Inputs", "inputs"), declared("Outputs", "outputs")])


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sample(check: ExpectedOutputs) -> dict[str, np.ndarray]:
    """Inputs whole; of each output some elements, spread evenly, and their places.

    Those of an output are named for the number of the source that computed it.
    """
    arrays = {  # with their shapes, that of a scalar too
        f"input.{name}": np.ascontiguousarray(array).reshape(array.shape)
        for name, array in check.inputs.items()
    }
    given = [
        (f"{number}.{name}", array)
        for number, outputs in enumerate(check.outputs.values())
        for name, array in outputs.items()
    ]
    for name, array in given:
        flat = np.ascontiguousarray(array).reshape(-1)
        places = np.unique(np.linspace(0, max(flat.size - 1, 0), CHECKED).astype(np.int64))
        places = places[: flat.size]
        arrays[f"output.{name}"] = flat[places]
        arrays[f"places.{name}"] = places
        arrays[f"scale.{name}"] = np.array([scale_of(flat)], np.float64)
    return arrays


def _digest(path: Path) -> str:
    with open_bounded(path, MOST_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _move_into_place(made: Path, real: Path) -> None:
    if not real.exists():
        made.rename(real)
        return
    old = made.with_name(f"{made.name}.old")
    try:
        real.rename(old)
        made.rename(real)
    except BaseException:  # Ctrl-C too
        if not real.exists():
            old.rename(real)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_plan(folder: Path) -> dict[str, Any]:
    """A bundle's plan, checked: what it says can be relied on.

    Raises:
        JitwebError: it is not a bundle, or of another format, or damaged.
    """
    path = folder / PLAN
    try:
        plan = parse_plan(read_bounded(path, MOST_PLAN_BYTES))
        _check_tuning(plan)
    except FileNotFoundError:
        if not folder.exists():
            raise JitwebError(
                f"{folder} does not exist; name the folder of a bundle, as jitweb tune -o makes it"
            ) from None
        raise JitwebError(f"{folder} is not a bundle: it has no {PLAN}") from None
    except NotADirectoryError:
        raise JitwebError(f"{folder} is a file; name the bundle's folder") from None
    except OtherFormat:
        raise JitwebError(
            f"{folder} is of another format than this jitweb's; tune the model again"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JitwebError(f"{path} can't be read: {reason}; tune the model again") from None
    return plan


def _check_tuning(plan: Mapping[str, Any]) -> None:
    """Raises: ValueError, if the plan doesn't say how its kernels were found."""
    for name, part in plan["targets"].items():
        tuning = part.get("tuning")
        kernels = tuning.get("kernels") if isinstance(tuning, dict) else None
        if (
            not isinstance(kernels, dict)
            or not is_amount(tuning.get("seconds"))
            or not all(_is_choice(kernels.get(key)) for key in plan["tasks"])
        ):
            raise ValueError(f"it does not say how it was tuned for {name}")


def _is_choice(choice: Any) -> bool:
    return (
        isinstance(choice, dict)
        and isinstance(choice.get("candidate"), str)
        and is_amount(choice.get("tried"))
    )


def check_files(folder: Path, plan: Mapping[str, Any]) -> None:
    """Raises: JitwebError, if a file of the bundle is missing or not as it was written."""
    for name in changed_files(folder, plan):
        what = "was changed" if (folder / name).is_file() else "is missing"
        raise JitwebError(f"{folder / name} {what}; {RESTORE}")


def changed_files(folder: Path, plan: Mapping[str, Any]) -> list[str]:
    """The bundle's files that are missing or not as they were written."""
    return [
        name
        for name, facts in plan["files"].items()
        if not (folder / name).is_file()
        or (folder / name).stat().st_size != facts["bytes"]
        or _digest(folder / name) != facts["sha256"]
    ]
