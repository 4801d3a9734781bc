"""What kind of work a kernel is, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness import compat
from jitweb.space import emit
from jitweb.space.equations import Equation, Equations, NotStages, inline, loads, read_stages
from jitweb.space.matmul import read_matmul

ARITHMETIC = frozenset("Add Sub Mul Div Min Max FloorDiv FloorMod Call".split())


@dataclass(frozen=True)
class KernelCost:
    """A kernel's kind, its arithmetic operations on floats, and the bytes that it must move."""

    kind: str
    flops: float
    bytes: float


def describe(function: Any, sizes: Sequence[int]) -> KernelCost:
    """The work of a function whose parameters have these sizes in bytes."""
    total = float(sum(sizes))
    try:
        matmul = read_matmul(function)
    except NotStages:
        pass
    else:
        work = 2.0 * matmul.rows * matmul.columns * matmul.depth * emit.product(matmul.batch)
        kind = "batched-matmul" if emit.product(matmul.batch) > 1 else "matmul"
        return KernelCost(kind, work, total)
    try:
        equations = inline(read_stages(function), lambda stage: False)
    except NotStages:
        return KernelCost("other", 0.0, total)
    flops = float(sum(_operations(stage) for stage in equations.stages))
    if any(stage.is_reduction for stage in equations.stages):
        return KernelCost("reduction", flops, total)
    if _gathers(equations):
        written = sum(size for size, is_output in _outputs(equations, sizes) if is_output)
        return KernelCost("gather", flops, 2.0 * written)
    if flops == 0:
        return KernelCost("layout", 0.0, total)
    return KernelCost("elementwise", flops, total)


def _operations(stage: Equation) -> int:
    counted = sum(
        1
        for node in compat.nodes(stage.value)
        if compat.type_key(node) in ARITHMETIC and compat.dtype_of(node).startswith("float")
    )
    return counted * emit.product(stage.extents) * emit.product(stage.reduced_extents)


def _gathers(equations: Equations) -> bool:
    return any(
        any(loads(index) for index in load.indices)
        for stage in equations.stages
        for load in loads(stage.value)
    )


def _outputs(equations: Equations, sizes: Sequence[int]) -> list[tuple[int, bool]]:
    written = equations.outputs
    return [
        (size, any(parameter.same_as(output) for output in written))
        for size, parameter in zip(sizes, equations.parameters, strict=True)
    ]
