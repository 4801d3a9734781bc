"""Stages: a fused PrimFunc as a list of equations, from which the kernel families are built.

The importer's kernels are sequences of loop nests around blocks. Here each block becomes an
Equation, `buffer[spatial] = value`, reduced over some variables, and elementwise stages are
substituted into those that read them. A few equations remain: a matmul and its epilogue, or the
reductions of a softmax and its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.rewrite import substitute

REDUCTION = 2  # tirx.IterVar.CommReduce


class NotStages(ValueError):
    """The function doesn't have this form; it is built unchanged."""


@dataclass(frozen=True)
class Equation:
    """`buffer[spatial] = value` for all spatial variables, accumulated over the reduced ones.

    `init` is the initial value of a reduction, else None. Extents are in elements.
    """

    name: str
    buffer: Any
    spatial: tuple[Any, ...]
    extents: tuple[int, ...]
    reduced: tuple[Any, ...]
    reduced_extents: tuple[int, ...]
    value: Any
    init: Any = None

    @property
    def is_reduction(self) -> bool:
        return self.init is not None


@dataclass(frozen=True)
class Equations:
    """A function in stages. `outputs` are those of its parameters that it writes."""

    function: Any
    stages: tuple[Equation, ...]

    @property
    def parameters(self) -> tuple[Any, ...]:
        return tuple(self.function.params)

    @property
    def outputs(self) -> tuple[Any, ...]:
        written = [stage.buffer for stage in self.stages]
        return tuple(p for p in self.parameters if any(p.same_as(buffer) for buffer in written))

    def is_output(self, stage: Equation) -> bool:
        return any(stage.buffer.same_as(parameter) for parameter in self.parameters)


def read_stages(function: Any) -> Equations:
    """The function's blocks as stages, in their order.

    Raises:
        NotStages: a block is not of the form `buffer[its spatial variables] = value`.
    """
    body = function.body
    if compat.type_key(body) == "SBlockRealize":
        body = body.block.body
    nests = body.seq if compat.type_key(body) == "SeqStmt" else [body]
    return Equations(function, tuple(_read_nest(nest) for nest in nests))


def _read_nest(nest: Any) -> Equation:
    extents: dict[Any, int] = {}
    while compat.type_key(nest) == "For":
        extents[nest.loop_var] = _constant(nest.extent)
        nest = nest.body
    if (
        compat.type_key(nest) != "SBlockRealize"
        or compat.type_key(nest.block.body) != "BufferStore"
    ):
        raise NotStages("a block does more than one store")
    block, store = nest.block, nest.block.body
    for value in nest.iter_values:
        if not (isinstance(value, compat.Var) and value in extents) and _constant(value) != 0:
            raise NotStages("a block's variables are not those of its loops")
    spatial = [iv for iv in block.iter_vars if int(iv.iter_type) != REDUCTION]
    reduced = [iv for iv in block.iter_vars if int(iv.iter_type) == REDUCTION]
    indices = list(store.indices)
    if len(indices) != len(spatial) or not all(
        index.same_as(iv.var) for index, iv in zip(indices, spatial, strict=True)
    ):
        raise NotStages("a block stores elsewhere than at its own variables")
    init = None if block.init is None else block.init.value
    return Equation(
        str(block.name_hint),
        store.buffer,
        tuple(iv.var for iv in spatial),
        tuple(_constant(iv.dom.extent) for iv in spatial),
        tuple(iv.var for iv in reduced),
        tuple(_constant(iv.dom.extent) for iv in reduced),
        store.value,
        init,
    )


def _constant(expression: Any) -> int:
    if not isinstance(expression, compat.IntImm):
        raise NotStages("an extent is not a constant")
    return int(expression)


def inline(equations: Equations, keep: Callable[[Equation], bool]) -> Equations:
    """The equations with every elementwise stage substituted where it is read.

    Outputs, reductions and stages for which `keep` is true stay stages.
    """
    inlined: dict[Any, Equation] = {}
    stages: list[Equation] = []
    for stage in equations.stages:
        stage = replace(stage, value=_with_loads(stage.value, inlined))
        if stage.is_reduction or equations.is_output(stage) or keep(stage):
            stages.append(_simplified(stage))
        else:
            inlined[stage.buffer] = stage
    return replace(equations, stages=tuple(stages))


def _with_loads(value: Any, inlined: Mapping[Any, Equation]) -> Any:
    """The value with loads of these buffers replaced by the values of their stages."""

    def replaced(load: Any) -> Any:
        stage = inlined.get(compat.load_buffer(load))
        if stage is None:
            return load
        return substitute(stage.value, dict(zip(stage.spatial, load.indices, strict=True)))

    return tvm_ffi.structural_map(value, (compat.BufferLoad, replaced))


def _simplified(stage: Equation) -> Equation:
    variables, extents = stage.spatial + stage.reduced, stage.extents + stage.reduced_extents
    ranges = dict(zip(variables, extents, strict=True))
    return replace(stage, value=simplify(_plain_conditions(stage.value), ranges))


def _plain_conditions(value: Any) -> Any:
    """The value with TOPI's form of a condition, `0 < cast(condition)`, replaced by the condition.

    TVM's WGSL code generator fails on such a cast in a vector.
    """

    def replaced(node: Any) -> Any:
        is_positive = isinstance(node.a, compat.IntImm) and int(node.a) == 0
        if is_positive and compat.type_key(node.b) == "Cast":
            if compat.dtype_of(node.b.value) == "bool":
                return node.b.value
        return node

    return tvm_ffi.structural_map(value, (tirx.LT, replaced))


def simplify(value: Any, extents: Mapping[Any, int]) -> Any:
    """The expression, simplified for variables in [0, extent)."""
    analyzer = compat.analyzer()
    for var, extent in extents.items():
        if extent == 1:
            analyzer.bind(var, tirx.IntImm(compat.dtype_of(var), 0))
        else:
            analyzer.bind(var, compat.Range.from_min_extent(0, extent))
    return analyzer.simplify(value)


def loads(value: Any) -> list[Any]:
    """Every load in an expression."""
    return [node for node in compat.nodes(value) if isinstance(node, compat.BufferLoad)]


def reads(value: Any, buffers: Sequence[Any]) -> bool:
    """Whether the expression loads from one of these buffers."""
    return any(
        compat.load_buffer(load).same_as(buffer) for load in loads(value) for buffer in buffers
    )


def index_bounds(function: Any) -> dict[int, int]:
    """For each parameter whose elements are indices: the smallest extent that they index."""
    try:
        equations = inline(read_stages(function), lambda stage: False)
    except NotStages:
        return {}
    positions = {parameter: position for position, parameter in enumerate(equations.parameters)}
    bounds: dict[int, int] = {}
    for stage in equations.stages:
        for load in loads(stage.value):
            shape = compat.static_shape(compat.load_buffer(load)) or ()
            for index, extent in zip(load.indices, shape, strict=True):
                for inner in loads(index):
                    position = positions.get(compat.load_buffer(inner))
                    if position is not None:
                        bounds[position] = min(extent, bounds.get(position, extent))
    return bounds
