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


def cosine(dtype: str) -> Any:
    """A[i] = cos(A[i])"""
    buffer, i = tirx.decl_buffer((4,), dtype, "A"), tirx.Var("i", "int32")
    store = tirx.BufferStore(buffer, tirx.cos(buffer[i]), [i])
    body = tirx.For(i, 0, 4, tirx.ForKind.SERIAL, store)
    return tvm.IRModule({"main": tirx.PrimFunc([buffer], body)})


def store_at(index: Any, extent: int = 4) -> Any:
    """A loop i < extent that stores i to target[index(i)], target having `extent` elements."""
    i = tirx.Var("i", "int32")
    target = tirx.decl_buffer((extent,), "int32", "target")
    body = tirx.For(i, 0, extent, tirx.ForKind.SERIAL, tirx.BufferStore(target, i, [index(i)]))
    function = tirx.PrimFunc([target], body).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def shifted_inner() -> Any:
    """An inner loop from one to the variable of an outer loop that starts at three.

    TVM's CanonicalizeLoop moves both loops to start at zero, but leaves the inner extent in terms
    of the outer variable as it was: the inner loop runs three times too few. A silent
    miscompilation by 0.26 and 0.27, in their default order.
    """
    i, j = tirx.Var("i", "int32"), tirx.Var("j", "int32")
    target = tirx.decl_buffer((8,), "int32", "target")
    one = tirx.const(1, "int32")
    add = tirx.BufferStore(target, tirx.BufferLoad(target, [j]) + one, [j])
    inner = tirx.For(j, 1, i, tirx.ForKind.SERIAL, add)
    outer = tirx.For(i, 3, 2, tirx.ForKind.SERIAL, inner)
    function = tirx.PrimFunc([target], outer).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def dividing_by_zero() -> Any:
    """A float divided by the constant zero: infinity by IEEE 754, an error of TVM's simplifier."""
    target = tirx.decl_buffer((1,), "float32", "target")
    quotient = tirx.Div(tirx.BufferLoad(target, [0]), tirx.FloatImm("float32", 0.0))
    function = tirx.PrimFunc([target], tirx.BufferStore(target, quotient, [0]))
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})


def underflowing() -> Any:
    """A product that the simplifier folds to a subnormal number, which TVM's JSON can't hold."""
    target = tirx.decl_buffer((1,), "float64", "target")
    product = tirx.Mul(tirx.FloatImm("float64", 1e-300), tirx.FloatImm("float64", 1e-20))
    function = tirx.PrimFunc([target], tirx.BufferStore(target, product, [0]))
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})


def tall() -> Any:
    """out[i, j] = source at 12 i + j, in rows of six: its indices are worth a cache."""
    source = te.placeholder((4, 6), "int32", "source")
    out = te.compute((2, 12), lambda i, j: source[(i * 12 + j) // 6, (i * 12 + j) % 6], "out")
    return tvm.IRModule({"main": te.create_prim_func([source, out])})
