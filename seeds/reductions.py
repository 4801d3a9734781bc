"""Family "reductions": what `te.create_prim_func` makes of reductions beyond plain sums.

Tuples of values with either rule for ties, axes whose extents depend on other axes, and extents
that are known at run time only. Not conditions and initial values, which TVM drops
(docs/findings.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tvm import IRModule, te, tirx

from seeds.recipe import Recipe, from_tensors, placeholder

FAMILY = "reductions"
Pair = tuple[Any, Any]


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [Recipe(f"{FAMILY}/{name}", FAMILY, build) for name, build in PROGRAMS]


def by_index(
    better: Callable[[Any, Any, Any, Any], Any],
    worst: Callable[[str], Any],
    spec: str = "4x9-f32",
) -> IRModule:
    """The index and the value that are better than all others, of each row of 4×9 elements.

    `better(v, w, i, j)` is whether the value v at index i goes before w at j.
    """

    def combine(x: Pair, y: Pair) -> Pair:
        first = better(x[1], y[1], x[0], y[0])
        return tirx.Select(first, x[0], y[0]), tirx.Select(first, x[1], y[1])

    reduce = te.comm_reducer(
        combine,
        lambda left, right: (tirx.const(-1, left), worst(right)),
        name="by_index",
    )
    a = placeholder(spec, "A")
    k = te.reduce_axis((0, 9), "k")
    found = te.compute((4,), lambda i: reduce((k, a[i, k]), axis=k), name="found")
    return from_tensors([a, *found])


def pair(combine: Callable[[Pair, Pair], Pair], first: float, second: float) -> IRModule:
    """A reduction of (a, a²) over the columns of 6×10 float32."""
    reduce = te.comm_reducer(
        combine,
        lambda left, right: (tirx.const(first, left), tirx.const(second, right)),
        name="pair",
    )
    a = placeholder("6x10-f32", "A")
    k = te.reduce_axis((0, 10), "k")
    found = te.compute((6,), lambda i: reduce((a[i, k], a[i, k] * a[i, k]), axis=k), name="found")
    return from_tensors([a, *found])


def triangle() -> IRModule:
    """The sum of what is not right of the diagonal, in each row of 7×7."""
    a = placeholder("7x7-f32", "A")

    def row(i: Any) -> Any:
        k = te.reduce_axis((0, i + 1), "k")
        return te.sum(a[i, k], axis=k)

    return from_tensors([a, te.compute((7,), row, name="rows")])


def nested_triangle() -> IRModule:
    """Sums over k ≤ i and l ≤ k of 5×5×5."""
    a = placeholder("5x5x5-i32", "A")

    def row(i: Any) -> Any:
        k = te.reduce_axis((0, i + 1), "k")
        inner = te.reduce_axis((0, k.var + 1), "l")
        return te.sum(a[i, k, inner], axis=[k, inner])

    return from_tensors([a, te.compute((5,), row, name="rows")])


def sum_of_maxima() -> IRModule:
    """The sum of the maxima of groups of four, of each row of 3×20."""
    a = placeholder("3x20-f32", "A")
    j, k = te.reduce_axis((0, 4), "j"), te.reduce_axis((0, 5), "k")
    groups = te.compute((3, 5), lambda i, g: te.max(a[i, g * 4 + j], axis=j), name="groups")
    return from_tensors([a, te.compute((3,), lambda i: te.sum(groups[i, k], axis=k), name="sums")])


def wide_reduction() -> IRModule:
    """A product over two axes of int64 extents, one of them reversed."""
    a = placeholder("3x4x5-i64", "A")
    j = te.reduce_axis((0, tirx.const(4, "int64")), "j")
    k = te.reduce_axis((0, tirx.const(5, "int64")), "k")
    one = tirx.const(1, "int64")
    product = te.comm_reducer(lambda x, y: x * y, lambda dtype: tirx.const(1, dtype), "product")
    signs = te.compute(
        (3, 4, 5), lambda i, j, k: tirx.Select(a[i, j, k] > 0, one, -one), name="signs"
    )
    return from_tensors(
        [a, te.compute((3,), lambda i: product(signs[i, 3 - j, k], axis=[j, k]), name="found")]
    )


def any_positive() -> IRModule:
    """Whether a row of 4×6 has a positive element; whether all are."""
    a = placeholder("4x6-i32", "A")
    k = te.reduce_axis((0, 6), "k")
    either = te.comm_reducer(
        lambda x, y: tirx.Or(x, y), lambda dtype: tirx.const(False, dtype), name="either"
    )
    return from_tensors([a, te.compute((4,), lambda i: either(a[i, k] > 0, axis=k), name="found")])


def symbolic(compute: Callable[[Any], list[te.Tensor]]) -> IRModule:
    """A program of an extent n, which is that of a parameter."""
    return from_tensors(compute(tirx.Var("n", "int32")))


def symbolic_matmul(n: Any) -> list[te.Tensor]:
    """C[n, 6] = A[n, 5] B[5, 6]."""
    a, b = te.placeholder((n, 5), "float32", "A"), placeholder("5x6-f32", "B")
    k = te.reduce_axis((0, 5), "k")
    return [a, b, te.compute((n, 6), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")]


def symbolic_row_sum(n: Any) -> list[te.Tensor]:
    """The sums of 4 rows of n elements, scaled."""
    a = te.placeholder((4, n), "float32", "A")
    k = te.reduce_axis((0, n), "k")
    sums = te.compute((4,), lambda i: te.sum(a[i, k], axis=k), name="sums")
    return [a, te.compute((4,), lambda i: sums[i] * 2.0, name="scaled")]


def symbolic_chain(n: Any) -> list[te.Tensor]:
    """Two elementwise steps over n×7."""
    a = te.placeholder((n, 7), "int32", "A")
    b = te.compute((n, 7), lambda i, j: a[i, j] * 3, name="B")
    return [a, te.compute((n, 7), lambda i, j: b[i, j] + 1, name="C")]


# The first three are reducers that rfactor knows; the others are right in one order alone.
TIES: dict[str, tuple[Callable[[Any, Any, Any, Any], Any], Callable[[str], Any]]] = {
    "argmax-ge": (lambda v, w, i, j: v >= w, te.min_value),
    "argmin-le": (lambda v, w, i, j: v <= w, te.max_value),
    "argmax-first": (
        lambda v, w, i, j: tirx.any(v > w, tirx.all(tirx.EQ(v, w), i < j)),
        te.min_value,
    ),
    "argmax-gt": (lambda v, w, i, j: v > w, te.min_value),
    "argmin-lt": (lambda v, w, i, j: v < w, te.max_value),
}
PAIRS: dict[str, tuple[Callable[[Pair, Pair], Pair], float, float]] = {
    "sum-and-squares": (lambda x, y: (x[0] + y[0], x[1] + y[1]), 0.0, 0.0),
    "least-and-most": (lambda x, y: (tirx.min(x[0], y[0]), tirx.max(x[1], y[1])), 1e9, -1e9),
}
PROGRAMS: list[tuple[str, Callable[[], IRModule]]] = [
    *((name, partial(by_index, *arguments)) for name, arguments in TIES.items()),
    ("argmax-ge-ties", partial(by_index, *TIES["argmax-ge"], "4x9-i8")),
    *((name, partial(pair, *arguments)) for name, arguments in PAIRS.items()),
    ("triangle", triangle),
    ("nested-triangle", nested_triangle),
    ("sum-of-maxima", sum_of_maxima),
    ("wide-product", wide_reduction),
    ("any-positive", any_positive),
    ("symbolic-matmul", partial(symbolic, symbolic_matmul)),
    ("symbolic-row-sum", partial(symbolic, symbolic_row_sum)),
    ("symbolic-chain", partial(symbolic, symbolic_chain)),
]
