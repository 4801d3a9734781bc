"""Small modules that many tests need."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import te, tirx


def scaled_sum(dtype: str = "float32", shape: tuple[int, int] = (3, 5)) -> Any:
    """target[i, j] = source[i, j] * 2 + 1."""
    source = te.placeholder(shape, dtype, "source")
    one, two = tirx.const(1, dtype), tirx.const(2, dtype)
    target = te.compute(shape, lambda i, j: source[i, j] * two + one, "target")
    return tvm.IRModule({"main": te.create_prim_func([source, target])})


def matmul(n: int = 4) -> Any:
    """c = a @ b for float32 square matrices."""
    a = te.placeholder((n, n), "float32", "a")
    b = te.placeholder((n, n), "float32", "b")
    k = te.reduce_axis((0, n), "k")
    c = te.compute((n, n), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), "c")
    return tvm.IRModule({"main": te.create_prim_func([a, b, c])})


def store_at(index: Any, extent: int = 4) -> Any:
    """A loop i < extent that stores i to target[index(i)], target having `extent` elements."""
    i = tirx.Var("i", "int32")
    target = tirx.decl_buffer((extent,), "int32", "target")
    body = tirx.For(i, 0, extent, tirx.ForKind.SERIAL, tirx.BufferStore(target, i, [index(i)]))
    function = tirx.PrimFunc([target], body).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})
