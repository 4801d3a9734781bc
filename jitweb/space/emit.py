"""Short words for making statements of TIR: loops, stores, local buffers, functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.loop_kinds import SERIAL, THREAD_BINDING

LANES = 4  # float32 in a vector, of WebAssembly as of WGSL
THREAD_INDEX = 1  # tirx.IterVar.ThreadIndex


def index(name: str) -> Any:
    """A fresh loop variable."""
    return tirx.Var(name, "int32")


def constant(value: int) -> Any:
    return tirx.IntImm("int32", value)


def loop(var: Any, extent: int, body: Any, kind: int = SERIAL) -> Any:
    """A loop from 0; one with a single iteration is the body itself, at 0."""
    return tirx.For(var, constant(0), constant(extent), kind, body)


def loops(variables: Sequence[Any], extents: Sequence[int], body: Any) -> Any:
    """A loop over all of these variables, the last one innermost."""
    for var, extent in reversed(list(zip(variables, extents, strict=True))):
        body = loop(var, extent, body)
    return body


def bound(var: Any, extent: int, tag: str, body: Any) -> Any:
    """A loop whose iterations are the GPU's threads or workgroups of this tag, e.g. threadIdx.x."""
    thread = tirx.IterVar(
        compat.Range.from_min_extent(0, extent), tirx.Var(tag, "int32"), THREAD_INDEX, tag
    )
    return tirx.For(var, constant(0), constant(extent), THREAD_BINDING, body, thread)


def load(buffer: Any, *indices: Any) -> Any:
    return tirx.BufferLoad(buffer, [_expression(each) for each in indices])


def store(buffer: Any, value: Any, *indices: Any) -> Any:
    return tirx.BufferStore(buffer, value, [_expression(each) for each in indices])


def _expression(value: Any) -> Any:
    return constant(value) if isinstance(value, int) else value


def sequence(statements: Sequence[Any]) -> Any:
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(list(statements))


def local(name: str, shape: Sequence[int], dtype: str = "float32") -> Any:
    """A buffer of one call's own: in registers where every index is constant, else on the stack."""
    return tirx.decl_buffer(list(shape), dtype, name=name, scope="local")


def with_locals(buffers: Sequence[Any], body: Any) -> Any:
    return sequence([*(tirx.AllocBuffer(buffer) for buffer in buffers), body])


def buffer(name: str, shape: Sequence[int], dtype: str) -> Any:
    return tirx.decl_buffer(list(shape), dtype, name=name)


def function(parameters: Sequence[Any], body: Any) -> Any:
    """A PrimFunc whose buffers don't overlap, as the plan sees to."""
    made = tirx.PrimFunc(list(parameters), body)
    return made.with_attr("tirx.noalias", True)


def row_major(flat: Any, extents: Sequence[int]) -> list[Any]:
    """The indices of the element that comes after `flat` others in an array of these extents."""
    indices: list[Any] = []
    for axis, extent in reversed(list(enumerate(extents))):
        is_first = product(extents[:axis]) == 1  # what is left is less than the extent
        if extent == 1:
            indices.append(constant(0))
        elif is_first:
            indices.append(flat)
        else:
            indices.append(tirx.floormod(flat, constant(extent)))
            flat = tirx.floordiv(flat, constant(extent))
        if is_first:
            flat = constant(0)
    return indices[::-1]


def flat(indices: Sequence[Any], extents: Sequence[int]) -> Any:
    """How many elements come before the one of these indices in an array of these extents."""
    total = indices[0]
    for index, extent in zip(indices[1:], extents[1:], strict=True):
        total = total * constant(extent) + index
    return total


def product(extents: Sequence[int]) -> int:
    result = 1
    for extent in extents:
        result *= extent
    return result


def shape_of(parameter: Any) -> tuple[int, ...]:
    shape = compat.static_shape(parameter)
    assert shape is not None
    return shape
