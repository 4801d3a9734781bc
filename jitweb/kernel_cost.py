"""What kind of work a kernel is, and how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness import compat
from jitweb.errors import NotEquations
from jitweb.space import emit
from jitweb.space.equations import Equation, EquationSystem, inlined, loads
from jitweb.space.matmul_equations import read_matmul

ARITHMETIC = frozenset("Add Sub Mul Div Min Max FloorDiv FloorMod Call".split())


@dataclass(frozen=True)
class KernelCost:
    """A kernel's kind, its arithmetic operations on floats, and the bytes that it must move."""

    kind: str
    flops: float
    bytes: float


def cost_of(function: Any, sizes: Sequence[int]) -> KernelCost:
    """The work of a function whose parameters have these sizes in bytes."""
    total = float(sum(sizes))
    try:
        matmul = read_matmul(function)
    except NotEquations:
        pass
    else:
        work = 2.0 * matmul.rows * matmul.columns * matmul.depth * emit.product(matmul.batch)
        kind = "batched-matmul" if emit.product(matmul.batch) > 1 else "matmul"
        if len(matmul.sum.reduced) > 1:
            kind = "convolution"
        return KernelCost(kind, work, total)
    try:
        system = inlined(function)
    except NotEquations:
        return KernelCost("other", 0.0, total)
    flops = float(sum(_operations(equation) for equation in system.equations))
    if any(equation.is_reduction for equation in system.equations):
        return KernelCost("reduction", flops, total)
    if _gathers(system):
        return KernelCost("gather", flops, 2.0 * _written(system, sizes))
    if flops == 0:
        return KernelCost("layout", 0.0, total)
    return KernelCost("elementwise", flops, total)


def _operations(equation: Equation) -> int:
    counted = sum(
        1
        for node in compat.nodes(equation.value)
        if compat.type_key(node) in ARITHMETIC and compat.dtype_of(node).startswith("float")
    )
    extents = map(int, (*equation.extents, *equation.reduced_extents))
    return counted * math.prod(extents)


def _gathers(system: EquationSystem) -> bool:
    return any(
        any(loads(index) for index in load.indices)
        for equation in system.equations
        for load in loads(equation.value)
    )


def _written(system: EquationSystem, sizes: Sequence[int]) -> int:
    """The bytes of the outputs."""
    outputs = system.outputs
    return sum(
        size
        for size, parameter in zip(sizes, system.parameters, strict=True)
        if any(parameter.same_as(output) for output in outputs)
    )
