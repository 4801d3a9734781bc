"""What `jitweb inspect` answers: of any ONNX file, also of one that can't be imported.

The weights are not read: the model is imported with types and shapes in their place, and what is
computed from them alone counts as a weight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from harness.targets.wasm_code import WasmCode
from jitweb.errors import JitwebError
from jitweb.extent import Opening
from jitweb.model import ImportedModel, plan_simplified
from jitweb.onnx.architecture import architecture, precision, weight_bytes
from jitweb.onnx.branches import Values, branches, example_values, set_options, undecided
from jitweb.onnx.graph import SMALL, graph_inputs
from jitweb.onnx.read import fix_inputs, read_outline, shape_options
from jitweb.onnx.simplify import simplify
from jitweb.onnx.to_relax import unsupported_nodes
from jitweb.plan import Weight, shared_tasks
from jitweb.targets import WasmTarget, open_target
from jitweb.variants import (
    OpenShapes,
    Setting,
    conditional,
    missing_shapes,
    missing_text,
    settings_of,
    without_weights,
)

DTYPES: Mapping[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}


@dataclass(frozen=True)
class Overview:
    """`kernels` and what follows are empty where the model can't be imported: see `problem`."""

    model: str
    architecture: str
    precision: str
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    operators: Mapping[str, int]
    weight_bytes: int
    needed: str  # the --shape and --set options that were left out, with examples
    not_yet: Mapping[str, tuple[str, ...]]
    problem: str = ""
    calls: int | None = None
    shipped_bytes: int | None = None
    kernels: tuple[dict[str, Any], ...] = ()
    families: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    variants: tuple[dict[str, Any], ...] = ()
    opening: Opening | None = None  # the length that is open
    code: Mapping[str, dict[str, Any]] | None = None  # who compiles the kernels: see _compiled

    def to_json(self) -> dict[str, Any]:
        """The documented keys of `inspect --json`."""
        return {
            "model": self.model,
            "architecture": self.architecture,
            "precision": self.precision,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "operators": dict(self.operators),
            "weights": {"bytes": self.weight_bytes, "shipped_bytes": self.shipped_bytes},
            "shape_options": self.needed,
            "not_yet": {kind: list(nodes) for kind, nodes in self.not_yet.items()},
            "problem": self.problem or None,
            "families": dict(self.families),
            "calls": self.calls,
            "variants": list(self.variants),
            "code": None if self.code is None else dict(self.code),
            "tasks": list(self.kernels),
        }


def overview(
    path: Path,
    shapes: OpenShapes,
    values: Values | None = None,
    largest: int = SMALL,
    *,
    is_compiled: bool = False,
) -> Overview:
    """What a file is and how it will run; of shapes that are left out examples are taken.

    Weights of more elements than `largest` are not read. `is_compiled` asks for what compiles the
    kernels for WebAssembly as well.

    Raises:
        JitwebError: it is not an ONNX file, or damaged.
    """
    model = read_outline(path, largest)
    inputs = tuple(map(_described, graph_inputs(model)))
    facts: dict[str, Any] = {
        "model": path.stem,
        "architecture": "",
        "precision": precision(model),
        "inputs": inputs,
        "outputs": tuple(map(_described, model.graph.output)),
        "operators": _counted(model),
        "weight_bytes": weight_bytes(model),
        "needed": "",
        "not_yet": {},
    }
    try:
        settings = _settings(model, shapes, values or {}, facts)
        facts["opening"] = next(filter(None, [each.opening for each in settings]), None)
        if facts["opening"]:
            facts["inputs"] = _with_given(inputs, shapes)
        variants = [simplify(_fixed(model, setting)) for setting in settings]
        facts["architecture"] = architecture(variants[-1], facts["operators"])
        for each in variants:
            facts["not_yet"] |= unsupported_nodes(each)
        imported = (plan_simplified(path.stem, each) for each in variants)
        models = [conditional(*each) for each in zip(imported, settings, strict=True)]
        facts |= _planned(models)
        if is_compiled:
            facts["code"] = _compiled(models)
    except JitwebError as error:
        taken = f" (with {facts['needed']})" if facts["needed"] else ""
        facts["problem"] = f"{error}{taken}"
    return Overview(**facts)


def _settings(
    model: onnx.ModelProto, shapes: OpenShapes, values: Values, facts: dict[str, Any]
) -> list[Setting]:
    """The settings of the model's variants; what was not given is noted, and examples are taken."""
    part = without_weights(model)
    names, known = undecided(part, values), example_values(part)
    if names:
        facts["needed"] = set_options(part, names)
        facts["problem"] = f"fix {', '.join(names)}, by which a branch is taken: {facts['needed']}"
        values = {**values, **{name: (known[name],) for name in names if name in known}}
    settings = settings_of(model, shapes, values)
    missing = missing_shapes(model, settings)
    if missing:
        facts["needed"] = f"{facts['needed']} {shape_options(missing)}".strip()
        facts["problem"] = (
            missing_text(model, missing)
            if not names
            else (f"fix values and shapes of inputs, for example: {facts['needed']}")
        )
    return settings_of(model, {**shapes, **missing}, values)


def _fixed(model: onnx.ModelProto, setting: Setting) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    fix_inputs(made, setting.shapes, setting.values)
    return made


def _planned(models: Sequence[ImportedModel]) -> dict[str, Any]:
    target = open_target("wasm", None)
    functions = {key: each for model in models for key, each in model.functions.items()}
    tasks = shared_tasks([model.plan for model in models])
    total = sum(task.flops * task.sites for task in tasks.values()) or 1.0
    kernels = []
    families: dict[str, dict[str, Any]] = {}
    for task in sorted(tasks.values(), key=lambda each: -each.flops * each.sites):
        first = target.candidates(functions[task.key], task.constants)[0]
        share = task.flops * task.sites / total
        kernels.append(
            {
                "task": task.key,
                "name": task.name,
                "kind": task.kind,
                "family": first.family,
                "shapes": [list(shape) for shape in task.shapes],
                "sites": task.sites,
                "flops": task.flops,
                "bytes": task.bytes,
                "share": share,
            }
        )
        family = families.setdefault(first.family, {"calls": 0, "kernels": 0, "share": 0.0})
        family["calls"] += task.sites
        family["kernels"] += 1
        family["share"] += share
    return {
        "calls": sum(len(model.plan.calls) for model in models),
        "shipped_bytes": _shipped_bytes(models),
        "kernels": tuple(kernels),
        "families": families,
        "variants": tuple(
            {
                "when": dict(model.plan.when),
                "calls": len(model.plan.calls),
                "flops": sum(task.flops * task.sites for task in model.plan.tasks.values()),
            }
            for model in models
        ),
    }


def _compiled(models: Sequence[ImportedModel]) -> dict[str, dict[str, Any]]:
    """How many kernels and calls, and what share of the work, go through "direct" (our emitter) and
    through "llvm"; with what the emitter doesn't cover, and of how many kernels."""
    target = WasmTarget()
    functions = {key: each for model in models for key, each in model.functions.items()}
    tasks = shared_tasks([model.plan for model in models])
    total = sum(task.flops * task.sites for task in tasks.values()) or 1.0
    found: dict[str, dict[str, Any]] = {
        code: {"kernels": 0, "calls": 0, "share": 0.0, "refused": {}} for code in ("direct", "llvm")
    }
    for task in tasks.values():
        code = _first_code(target, functions[task.key], task.constants)
        if code is None:
            continue
        counts = found["direct" if code.is_direct else "llvm"]
        counts["kernels"] += 1
        counts["calls"] += task.sites
        counts["share"] += task.flops * task.sites / total
        if code.refused:
            counts["refused"][code.refused] = counts["refused"].get(code.refused, 0) + 1
    return found


def _first_code(target: WasmTarget, function: Any, constants: frozenset[int]) -> WasmCode | None:
    """The code of the first candidate that compiles, which is what `tune --device none` takes."""
    for candidate in target.candidates(function, constants):
        try:
            code: WasmCode = target.build(candidate.build()).lowered
        except Exception:  # TVM may raise anything; others may compile
            continue
        return code
    return None


def _shipped_bytes(models: Sequence[ImportedModel]) -> int:
    """The weights' bytes in a bundle, where those of the same kind are shared by variants.

    They have no data to compare.
    """
    kinds: Counter[tuple[str, int]] = Counter()
    for model in models:
        calls = model.plan.calls
        used = {each.name for call in calls for each in call.args if isinstance(each, Weight)}
        arrays = (model.weights[name] for name in used)
        kinds |= Counter((str((each.dtype, each.shape)), each.nbytes) for each in arrays)
    return sum(size * count for (_, size), count in kinds.items())


def _described(value: onnx.ValueInfoProto) -> dict[str, Any]:
    kind = value.type.tensor_type
    name = onnx.TensorProto.DataType.Name(kind.elem_type)
    return {
        "name": value.name,
        "dtype": DTYPES.get(kind.elem_type, name.lower()),
        "shape": [
            each.dim_value if each.HasField("dim_value") else each.dim_param or "?"
            for each in kind.shape.dim
        ],
    }


def _with_given(inputs: Sequence[dict[str, Any]], shapes: OpenShapes) -> tuple[dict[str, Any], ...]:
    """Inputs with the sizes that were given, open ones by name, in all dimensions of the name."""
    given = {
        name: [each.name if isinstance(each, Opening) else each for each in shape]
        for name, shape in shapes.items()
    }
    known = {
        side: size
        for each in inputs
        for side, size in zip(each["shape"], given.get(each["name"], []), strict=False)
        if isinstance(side, str) and side != "?"
    }
    return tuple(
        each | {"shape": given.get(each["name"], [known.get(side, side) for side in each["shape"]])}
        for each in inputs
    )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the branches in it."""
    for node in graph.node:
        yield node
        for inner in branches(node):
            yield from _nodes(inner)


def _counted(model: onnx.ModelProto) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in (each for each in _nodes(model.graph) if each.op_type != "Constant"):
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda each: -each[1]))
