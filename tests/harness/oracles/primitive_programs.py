"""Programs for test_known_primitives.py: small ones, on which primitives are known to fail."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import te, tirx
from tvm.script import from_source


def script(body: str) -> Any:
    """A module of one function, whose text begins in the first column."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return from_source(f"@I.ir_module\nclass Module:\n    @T.prim_func(s_tir=True)\n{lines}")


def function(*tensors: Any) -> Any:
    return tvm.IRModule({"main": te.create_prim_func(list(tensors))})


def chain() -> Any:
    """B = 2 A, D = B + 1 on 9×13."""
    a = te.placeholder((9, 13), "float32", "A")
    b = te.compute((9, 13), lambda i, j: a[i, j] * 2.0, "B")
    return function(a, te.compute((9, 13), lambda i, j: b[i, j] + 1.0, "D"))


def rows() -> Any:
    """The sums of 4 rows of 6, and twice those."""
    a, k = te.placeholder((4, 6), "float32", "A"), te.reduce_axis((0, 6), "k")
    b = te.compute((4,), lambda i: te.sum(a[i, k], axis=k), "B")
    return function(a, te.compute((4,), lambda i: b[i] * 2.0, "D"))


def largest() -> Any:
    """The largest elements of 4 rows of 6, and one more than those."""
    a, k = te.placeholder((4, 6), "float32", "A"), te.reduce_axis((0, 6), "k")
    b = te.compute((4,), lambda i: te.max(a[i, k], axis=k), "B")
    return function(a, te.compute((4,), lambda i: b[i] + 1.0, "D"))


def exponentials() -> Any:
    """The sums of e to the elements of 4 rows of 6, and twice those."""
    a, k = te.placeholder((4, 6), "float32", "A"), te.reduce_axis((0, 6), "k")
    b = te.compute((4,), lambda i: te.sum(te.exp(a[i, k]), axis=k), "B")
    return function(a, te.compute((4,), lambda i: b[i] * 2.0, "D"))


def transposed() -> Any:
    """Sums over the last axis of 4×4×6, transposed, and a bias."""
    a, bias = te.placeholder((4, 4, 6), "float32", "A"), te.placeholder((4, 4), "float32", "bias")
    k = te.reduce_axis((0, 6), "k")
    b = te.compute((4, 4), lambda i, j: te.sum(a[i, j, k], axis=k), "B")
    return function(a, bias, te.compute((4, 4), lambda i, j: b[j, i] + bias[i, j], "D"))


def taps() -> Any:
    """The sums of two elements of 12, each at a computed index."""
    a = te.placeholder((12,), "int32", "A")
    return function(a, te.compute((12,), lambda i: a[(i * 5 + 3) % 12] + a[(i * 7 + 1) % 12], "D"))


def shifted() -> Any:
    """B = 2 A, and C = B in the opposite order, plus one."""
    a = te.placeholder((8,), "float32", "A")
    b = te.compute((8,), lambda i: a[i] * 2.0, "B")
    return function(a, te.compute((8,), lambda i: b[7 - i] + 1.0, "C"))


def forked() -> Any:
    """B = 2 A; C = B + 1 and D = C + B."""
    a = te.placeholder((8,), "float32", "A")
    b = te.compute((8,), lambda i: a[i] * 2.0, "B")
    c = te.compute((8,), lambda i: b[i] + 1.0, "C")
    return function(a, c, te.compute((8,), lambda i: c[i] + b[i], "D"))


def three() -> Any:
    """B = A + 1, C = 2 B, D = C - 2."""
    a = te.placeholder((8,), "float32", "A")
    b = te.compute((8,), lambda i: a[i] + 1.0, "B")
    c = te.compute((8,), lambda i: b[i] * 2.0, "C")
    return function(a, te.compute((8,), lambda i: c[i] - 2.0, "D"))


def padded() -> Any:
    """A row of 6 with a zero at either end."""
    a, zero = te.placeholder((6,), "float32", "A"), tirx.const(0.0, "float32")
    inside = lambda i: tirx.all(i >= 1, i < 7)  # noqa: E731
    p = te.compute((8,), lambda i: tirx.if_then_else(inside(i), a[i - 1], zero), "P")
    return function(a, te.compute((8,), lambda i: p[i] + 1.0, "D"))


def padded_product() -> Any:
    """B = 2 A, of 6; P = B with a zero at either end; D = P + 1."""
    a, zero = te.placeholder((6,), "float32", "A"), tirx.const(0.0, "float32")
    b = te.compute((6,), lambda i: a[i] * 2.0, "B")
    inside = lambda i: tirx.all(i >= 1, i < 7)  # noqa: E731
    p = te.compute((8,), lambda i: tirx.if_then_else(inside(i), b[i - 1], zero), "P")
    return function(a, te.compute((8,), lambda i: p[i] + 1.0, "D"))


def window() -> Any:
    return script("""
def main(A: T.Buffer((6,), "float32"), B: T.Buffer((6,), "float32")):
    for i in range(6):
        with T.sblock("B"):
            v = T.axis.spatial(6, i)
            w = T.sblock_alloc_buffer((2,), "float32")
            w[0] = A[v]
            B[v] = w[0] + T.float32(1)
""")


def diagonal() -> Any:
    return script("""
def main(A: T.Buffer((6, 6), "int32")):
    for i, j in T.grid(6, 6):
        with T.sblock("A"):
            v, w = T.axis.remap("SS", [i, j])
            if v == w:
                A[v, w] = 0
""")


def from_two() -> Any:
    """The sums of 4 rows of 6 without their first two elements."""
    return script("""
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    for i in range(4):
        for k in range(2, 6):
            with T.sblock("B"):
                v = T.axis.spatial(4, i)
                w = T.axis.reduce((2, 6), k)
                with T.init():
                    B[v] = T.float32(0)
                B[v] = B[v] + A[v, w]
""")


def first_three() -> Any:
    """Twice the first three elements of 13, by a block for all of them."""
    return script("""
def main(A: T.Buffer((13,), "float32"), B: T.Buffer((13,), "float32")):
    for i in range(3):
        with T.sblock("B"):
            v = T.axis.spatial(13, i)
            B[v] = A[v] * T.float32(2)
""")


def first_three_of() -> Any:
    """B = 2 A on 4 elements, and one more for the first three of them."""
    return script("""
def main(A: T.Buffer((4,), "float32"), D: T.Buffer((4,), "float32")):
    B = T.sblock_alloc_buffer((4,), "float32")
    for i in range(4):
        with T.sblock("B"):
            v = T.axis.spatial(4, i)
            B[v] = A[v] * T.float32(2)
    for i in range(3):
        with T.sblock("D"):
            v = T.axis.spatial(4, i)
            D[v] = B[v] + T.float32(1)
""")


def some_products() -> Any:
    """Three columns of the five of a product of matrices."""
    return script("""
def main(
    A: T.Buffer((3, 7), "float32"), B: T.Buffer((5, 7), "float32"),
    C: T.Buffer((3, 5), "float32"),
):
    for i, j, k in T.grid(3, 3, 7):
        with T.sblock("C"):
            u = T.axis.spatial(3, i)
            v = T.axis.spatial(5, j)
            w = T.axis.reduce(7, k)
            with T.init():
                C[u, v] = T.float32(0)
            C[u, v] = C[u, v] + A[u, w] * B[v, w]
""")


def over_declared() -> Any:
    """Three elements of B are stored, of all six that the block declares."""
    return script("""
def main(A: T.Buffer((6,), "float32"), B: T.Buffer((6,), "float32")):
    for i in range(6):
        with T.sblock("B"):
            v = T.axis.opaque(6, i)
            T.reads(A[0:6])
            T.writes(B[0:6])
            B[v % 3] = A[v]
""")


def late_bias() -> Any:
    """The sums of 4 rows of 6, and a bias that is computed after them."""
    a, x = te.placeholder((4, 6), "float32", "A"), te.placeholder((4,), "float32", "X")
    k = te.reduce_axis((0, 6), "k")
    b = te.compute((4,), lambda i: te.sum(a[i, k], axis=k), "B")
    c = te.compute((4,), lambda i: x[i] * 2.0, "C")
    return function(a, x, te.compute((4,), lambda i: b[i] + c[i], "D"))


def renamed() -> Any:
    """Two tensors of one name."""
    a = te.placeholder((4, 6), "float32", "A")
    b = te.compute((4, 6), lambda i, j: a[i, j] * 2.0, "T")
    return function(a, te.compute((4,), lambda i: b[i, 0] + 1.0, "T"))


def taken() -> Any:
    """The elements of 9 at 5 indices, twice."""
    a, x = te.placeholder((9,), "float32", "A"), te.placeholder((5,), "int32", "X")
    return function(a, x, te.compute((5,), lambda i: a[tirx.floormod(x[i], 9)] * 2.0, "D"))


def halved() -> Any:
    """Each row of 4×6 gets half of itself from the left."""
    return script("""
def main(A: T.Buffer((4, 6), "float32")):
    for i in range(4):
        with T.sblock("A"):
            v = T.axis.spatial(4, i)
            T.reads(A[v, 0:6])
            T.writes(A[v, 1:6])
            for j in range(5):
                A[v, j + 1] = A[v, j + 1] + A[v, j] * T.float32(0.5)
""")


def pooled() -> Any:
    """The largest elements of two overlapping parts of 5, whose outer block declares six."""
    return script("""
def main(A: T.Buffer((5,), "float32"), B: T.Buffer((2,), "float32")):
    for i in range(2):
        with T.sblock("outer"):
            v = T.axis.spatial(2, i)
            T.reads(A[v * 2:v * 2 + 4])
            T.writes(B[v])
            for k in range(3):
                with T.sblock("pool"):
                    w = T.axis.spatial((v, v + 1), v)
                    r = T.axis.reduce(3, k)
                    T.reads(A[w * 2 + r])
                    T.writes(B[w])
                    with T.init():
                        B[w] = T.float32(-9)
                    B[w] = T.max(B[w], A[w * 2 + r])
""")


def wide() -> Any:
    """B = A + 1 on 9×13, counted in 64 bits."""
    shape = (tirx.IntImm("int64", 9), tirx.IntImm("int64", 13))
    a = te.placeholder(shape, "float32", "A")
    return function(a, te.compute(shape, lambda i, j: a[i, j] + 1.0, "B"))


def first_of_nine() -> Any:
    """B = A + 1 on 8 elements, by nine iterations of which the last does nothing."""
    return script("""
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i in range(9):
        with T.sblock("B"):
            v = T.axis.spatial(8, i)
            T.where(i < 8)
            B[v] = A[v] + T.float32(1)
""")


def evaluated() -> Any:
    """Each of 8 elements is read, and nothing is written."""
    return script("""
def main(A: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.sblock("B"):
            v = T.axis.spatial(8, i)
            T.evaluate(A[v])
""")


def tiled() -> Any:
    """Each element of 2×2 four times, on 4×4."""
    a = te.placeholder((2, 2), "float32", "A")
    return function(a, te.compute((4, 4), lambda i, j: a[i % 2, j % 2], "D"))


def with_transposed() -> Any:
    """A matrix of 4×4 and what it is transposed."""
    a = te.placeholder((4, 4), "float32", "A")
    return function(a, te.compute((4, 4), lambda i, j: a[i, j] + a[j, i], "D"))


def summed_thrice() -> Any:
    """The sums of 4 rows of 6, computed three times over."""
    return script("""
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    for r, i, k in T.grid(3, 4, 6):
        with T.sblock("B"):
            v, w = T.axis.remap("SR", [i, k])
            with T.init():
                B[v] = T.float32(0)
            B[v] = B[v] + A[v, w]
""")


def summed_from_second() -> Any:
    """The rows of 6 added to what is there, but for the first of each, with which a sum begins."""
    return script("""
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    for i in range(4):
        for k in range(1, 6):
            with T.sblock("B"):
                v = T.axis.spatial(4, i)
                w = T.axis.reduce(6, k)
                T.reads(A[v, w])
                T.writes(B[v])
                with T.init():
                    B[v] = T.float32(0)
                B[v] = B[v] + A[v, w]
""")


def first_five() -> Any:
    """X = A + 1 on 6 elements, and B = 2 X on the first five of them."""
    return script("""
def main(A: T.Buffer((6,), "float32"), B: T.Buffer((6,), "float32")):
    X = T.alloc_buffer((6,), "float32")
    for i in range(6):
        with T.sblock("X"):
            v = T.axis.spatial(6, i)
            X[v] = A[v] + T.float32(1)
    for i in range(6):
        with T.sblock("B"):
            v = T.axis.spatial(6, i)
            T.where(i < 5)
            B[v] = X[v] * T.float32(2)
""")


def read_then_written() -> Any:
    """X = 2 C, and then C = X + 1."""
    return script("""
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    X = T.alloc_buffer((8,), "float32")
    for i in range(8):
        with T.sblock("X"):
            v = T.axis.spatial(8, i)
            X[v] = C[v] * T.float32(2)
    for i in range(8):
        with T.sblock("C"):
            v = T.axis.spatial(8, i)
            C[v] = X[v] + T.float32(1)
""")


def from_three() -> Any:
    """B = A + 1 on elements 3 to 8 of 12."""
    return script("""
def main(A: T.Buffer((12,), "float32"), B: T.Buffer((12,), "float32")):
    for i in range(3, 9):
        with T.sblock("B"):
            v = T.axis.spatial((3, 9), i)
            B[v] = A[v] + T.float32(1)
""")


def running() -> Any:
    """The sums of A up to each of 9 elements."""
    return script("""
def main(A: T.Buffer((9,), "float32"), S: T.Buffer((10,), "float32")):
    with T.sblock("first"):
        S[0] = T.float32(0)
    for i in range(9):
        with T.sblock("S"):
            v = T.axis.scan(9, i)
            S[v + 1] = S[v] + A[v]
""")
