"""Determines whether a web target can express a program: its types, memory and calls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from harness import compat
from harness.targets import webgpu
from harness.targets.executable import NotExpressible
from harness.wasm.linker import STACK_BYTES

WASM_SCALARS = frozenset(
    {"bool", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
WEBGPU_SCALARS = frozenset({"bool", "float32", "int32", "uint32"})
# The storage scopes that a single invocation can use.
MEMORY = ("global", "local", "shared", "")


def refusal_of(function: Any, scalars: frozenset[str]) -> str | None:
    """Why a target with these scalar types can't express a PrimFunc, or None if it can."""
    for parameter in function.params:
        if not compat.is_buffer(parameter):
            return f"parameter {parameter.name} is not a buffer"
        if compat.static_shape(parameter) is None:
            return f"parameter {parameter.name} has a symbolic shape"
        if parameter.ty.strides or not isinstance(parameter.ty.elem_offset, compat.IntImm):
            return f"parameter {parameter.name} has strides, or an offset"
    return refusal_of_dtypes(function, scalars)


def refusal_of_dtypes(function: Any, scalars: frozenset[str]) -> str | None:
    """Why a function can't be one kernel of these scalar types, or None if it can."""
    if any(compat.type_key(node) == "GlobalVar" for node in compat.nodes(function.body)):
        return "it calls another function"
    for dtype in _dtypes(function):
        if dtype.partition("x")[0] not in scalars:
            return f"it computes with {dtype}"
    return None


def _dtypes(function: Any) -> Iterator[str]:
    for parameter in function.params:
        yield str(parameter.ty.dtype) if compat.is_buffer(parameter) else compat.dtype_of(parameter)
    for node in compat.nodes(function.body):
        if compat.is_buffer(node):
            yield str(node.ty.dtype)
        elif compat.has_scalar_type(node):
            yield compat.dtype_of(node)


def refusal_of_gpu(function: Any) -> str | None:
    """Why a single GPU invocation can't execute a PrimFunc, or None if it can."""
    for parameter in function.params:
        dtype = str(parameter.ty.dtype)
        if dtype not in webgpu.ELEMENTS:
            return f"parameter {parameter.name} is {dtype}"
        if math.prod(compat.static_shape(parameter) or ()) == 0:
            return f"parameter {parameter.name} has no elements"
    return refusal_of_device_memory(function)


def refusal_of_device_memory(function: Any) -> str | None:
    """Why a GPU invocation can't have the function's memory, or None if it can."""
    for node in compat.nodes(function.body):
        if compat.is_buffer(node) and str(node.ty.storage_scope) not in MEMORY:
            return f"{node.name} lies in {node.ty.storage_scope}"
        if compat.type_key(node) == "AttrStmt" and str(node.attr_key) == "thread_extent":
            return "it has thread bindings of its own"
        if compat.type_key(node) == "For" and node.thread_binding is not None:
            return "it has thread bindings of its own"
    return None


def check_stack(function: Any) -> None:
    """Check that the allocations of a WebAssembly kernel fit its stack.

    Raises:
        NotExpressible: it allocates too much, or a size that is not constant.
    """
    taken = 0
    for node in compat.nodes(function.body):
        if compat.type_key(node) == "AllocBuffer":
            shape = compat.static_shape(node.buffer)
            if shape is None:
                raise NotExpressible("it allocates memory of a size that is not constant")
            dtype, _, lanes = str(node.buffer.ty.dtype).partition("x")
            bits = int("".join(c for c in dtype if c.isdigit()) or 8)
            taken += math.prod(shape) * int(lanes or 1) * bits // 8 + 64
    if taken > STACK_BYTES // 2:
        raise NotExpressible(f"it allocates {taken} bytes, more than a kernel's stack has")
