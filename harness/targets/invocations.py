"""Turns a program for a CPU into a kernel for a GPU.

A single invocation executes the whole program, or, if its outermost loop is parallel, one iteration
of that loop.
"""

from __future__ import annotations

from typing import Any

from tvm import ir, tirx

from harness import compat
from harness.devices.shader import LEAST_LIMITS
from harness.ir import rewrite
from harness.ir.loop_kinds import PARALLEL

MAX_INVOCATIONS = LEAST_LIMITS["maxComputeWorkgroupSizeX"]  # of the one workgroup


def as_kernel(body: Any) -> Any:
    """The body of a function as that of a kernel, with allocations private to each invocation."""
    return _on_invocations(_with_own_memory(body))


def _with_own_memory(body: Any) -> Any:
    """The body with allocations in memory that is private to the invocation."""
    local: dict[Any, Any] = {}
    for node in compat.nodes(body):
        key = compat.type_key(node)
        buffers = node.alloc_buffers if key == "SBlock" else ()
        for buffer in [node.buffer] if key == "AllocBuffer" else buffers:
            if str(buffer.ty.storage_scope) in ("", "global"):
                local[buffer] = tirx.decl_buffer(
                    list(buffer.ty.shape), str(buffer.ty.dtype), buffer.name, scope="local"
                )
    return rewrite.substitute(body, local)


def _on_invocations(body: Any) -> Any:
    """The body as a kernel."""
    if compat.type_key(body) == "SBlockRealize" and not body.block.alloc_buffers:
        inner = _on_invocations(body.block.body)
        return rewrite.with_fields(body, block=rewrite.with_fields(body.block, body=inner))
    if compat.type_key(body) == "For" and _is_grid(body):
        return _bound(body.body, int(body.extent), body.loop_var)
    return _bound(body, 1, None)


def _is_grid(loop: Any) -> bool:
    numbers = isinstance(loop.min, compat.IntImm) and isinstance(loop.extent, compat.IntImm)
    return (
        int(loop.kind) == PARALLEL
        and numbers
        and loop.step is None
        and int(loop.min) == 0
        and 0 < int(loop.extent) <= MAX_INVOCATIONS
    )


def _bound(body: Any, extent: int, var: Any) -> Any:
    """The body with `var` bound to the invocations of one workgroup."""
    if var is None:
        var = compat.Var("invocation", ir.PrimType("int32"))
    count = compat.IntImm(compat.dtype_of(var), extent)
    axis = tirx.IterVar(
        compat.Range.from_min_extent(0, extent), var, tirx.IterVar.ThreadIndex, "threadIdx.x"
    )
    return tirx.AttrStmt(axis, "thread_extent", count, body)
