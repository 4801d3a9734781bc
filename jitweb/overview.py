"""What `jitweb inspect` answers: of any ONNX file, also of one that can't be imported.

The weights are not read: the model is imported with types and shapes in their place, and what is
computed from them alone counts as a weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from jitweb.errors import JitwebError
from jitweb.model import ImportedModel, plan_simplified
from jitweb.onnx.architecture import architecture, precision, weight_bytes
from jitweb.onnx.graph import SMALL
from jitweb.onnx.read import (
    Values,
    example_shapes,
    fix_shapes,
    fix_values,
    give_shapes,
    graph_inputs,
    read_outline,
    shape_options,
)
from jitweb.onnx.simplify import simplify
from jitweb.onnx.to_relax import unsupported_nodes
from jitweb.plan import Weight
from jitweb.targets import open_target

DTYPES: Mapping[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
Shapes = Mapping[str, Sequence[int]]


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
    needed: str  # the --shape options that were left out, with examples
    not_yet: Mapping[str, tuple[str, ...]]
    problem: str = ""
    calls: int | None = None
    shipped_bytes: int | None = None
    kernels: tuple[dict[str, Any], ...] = ()
    families: Mapping[str, dict[str, Any]] = field(default_factory=dict)

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
            "tasks": list(self.kernels),
        }


def overview(
    path: Path, shapes: Shapes, values: Values | None = None, largest: int = SMALL
) -> Overview:
    """What a file is and how it will run; of shapes that are left out examples are taken.

    Weights of more elements than `largest` are not read.

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
        fix_values(model, values or {})
        _fix(model, shapes, facts)
        simplified = simplify(model)
        facts["architecture"] = architecture(simplified, facts["operators"])
        facts["not_yet"] = unsupported_nodes(simplified)
        facts |= _planned(plan_simplified(path.stem, simplified))
    except JitwebError as error:
        taken = f" (with {facts['needed']}; --shape gives others)" if facts["needed"] else ""
        facts["problem"] = f"{error}{taken}"
    return Overview(**facts)


def _fix(model: onnx.ModelProto, shapes: Shapes, facts: dict[str, Any]) -> None:
    """Fix the shapes that were given, and by examples the others."""
    give_shapes(model, shapes)
    try:
        fix_shapes(model, {})
    except JitwebError as error:
        missing = example_shapes(model)
        if not missing:
            raise
        facts["needed"], facts["problem"] = shape_options(missing), str(error)
        fix_shapes(model, missing)


def _planned(imported: ImportedModel) -> dict[str, Any]:
    plan, target = imported.plan, open_target("wasm", {})
    total = sum(task.flops * task.sites for task in plan.tasks.values()) or 1.0
    kernels = []
    families: dict[str, dict[str, Any]] = {}
    for task in sorted(plan.tasks.values(), key=lambda each: -each.flops * each.sites):
        first = target.candidates(imported.functions[task.key], task.constants)[0]
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
    used = {each.name for call in plan.calls for each in call.args if isinstance(each, Weight)}
    return {
        "calls": len(plan.calls),
        "shipped_bytes": sum(imported.weights[name].nbytes for name in used),
        "kernels": tuple(kernels),
        "families": families,
    }


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


def _counted(model: onnx.ModelProto) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in (each for each in model.graph.node if each.op_type != "Constant"):
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda each: -each[1]))
