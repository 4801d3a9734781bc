"""Family "control": handwritten loops, branches, bindings, calls and allocations.

They use what tensor operators never do: scalar parameters, assertions, private functions, buffers
that share one storage, and the loops of handwritten_loops.py.
"""

from __future__ import annotations

from functools import partial

from seeds.handwritten_loops import LOOPS
from seeds.recipe import Recipe, from_script

FAMILY = "control"


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
        for table in (LOOPS, BRANCHES, STORAGE, CALLS)
        for name, text in table.items()
    ]


BRANCHES = {
    "if-else-chain": """
def main(A: T.Buffer((12,), "int32"), B: T.Buffer((12,), "int32")):
    for i in range(12):
        if A[i] < -3:
            B[i] = 0
        elif A[i] < 3:
            B[i] = 1
        else:
            B[i] = 2
""",
    "if-invariant": """
def main(A: T.Buffer((12,), "float32"), B: T.Buffer((12,), "float32"), flag: T.int32):
    for i in range(12):
        if flag > 0:
            B[i] = A[i]
        else:
            B[i] = -A[i]
""",
    "if-both-store": """
def main(A: T.Buffer((5, 6), "int32"), B: T.Buffer((5, 6), "int32")):
    for i, j in T.grid(5, 6):
        if i < j:
            B[i, j] = A[i, j]
        if i >= j:
            B[i, j] = A[j, i]
""",
    "if-corner-cases": """
def main(A: T.Buffer((8, 8), "int32")):
    for i, j in T.grid(8, 8):
        if i == 0 or j == 0 or i == 7 or j == 7:
            A[i, j] = 0
        elif i == j and not i == 4:
            A[i, j] = A[i, j] + 1
""",
    "if-constant": """
def main(A: T.Buffer((6,), "int32")):
    for i in range(6):
        if i < 6:
            A[i] = A[i] + 1
        if i > 10:
            A[i] = 77
        if i * 2 % 2 == 1:
            A[i] = 88
""",
    "if-after-empty": """
def main(A: T.Buffer((6,), "int32")):
    for i in range(6):
        if A[i] > 2:
            T.evaluate(0)
        else:
            A[i] = 2
""",
    "select-or-if": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "float32")):
    for i in range(8):
        B[i] = T.Select(A[i] > 0, T.Cast("float32", A[i]), T.float32(0)) + T.if_then_else(i > 0, B[T.max(i - 1, 0)], T.float32(2))
""",
    "if-expression-guards-access": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((12,), "float32")):
    for i in range(12):
        B[i] = T.if_then_else(2 <= i and i < 11, A[i - 2], T.float32(0))
""",
    "if-expression-guards-division": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        B[i] = T.if_then_else(A[i] != 0, 100 // A[i], -1)
""",
    "select-nested": """
def main(A: T.Buffer((10,), "float32"), B: T.Buffer((10,), "float32")):
    for i in range(10):
        B[i] = T.Select(A[i] > T.float32(1), T.Select(i < 5, A[i], -A[i]), T.Select(A[i] < T.float32(-1), T.float32(-1), T.float32(0)))
""",
    "assert-holds": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(8):
        assert A[i] < 1000, "too large"
        B[i] = A[i]
""",
    "assert-first": """
def main(A: T.Buffer((8,), "float32"), n: T.int32):
    assert n < 100, "n must be below 100"
    A[0] = T.Cast("float32", n)
""",
    "scalars-of-each-kind": """
def main(A: T.Buffer((4,), "float32"), a: T.int32, b: T.int64, c: T.float32, d: T.bool):
    for i in range(4):
        if d:
            A[i] = A[i] * c + T.Cast("float32", a)
        else:
            A[i] = T.Cast("float32", b) - c
""",
}

STORAGE = {
    "bind": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(8):
        x = T.bind(A[i] * 2)
        y = T.bind(x + i)
        B[i] = x * y
""",
    "bind-used-once": """
def main(A: T.Buffer((5, 6), "float32"), B: T.Buffer((5, 6), "float32")):
    for i in range(5):
        scale: T.let[T.float32] = T.Cast("float32", i) * T.float32(0.5)
        for j in range(6):
            B[i, j] = A[i, j] * scale
""",
    "bind-before-write": """
def main(A: T.Buffer((9,), "int32")):
    for i in range(8):
        old: T.let[T.int32] = A[i]
        A[i] = A[i + 1]
        A[i + 1] = old
""",
    "bind-shadows-value": """
def main(A: T.Buffer((6,), "int32"), B: T.Buffer((6,), "int32")):
    for i in range(6):
        x: T.let[T.int32] = A[i]
        B[i] = x
        y: T.let[T.int32] = x + B[i]
        A[i] = y + x
""",
    "let-expression": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    x = T.int32()
    for i in range(8):
        B[i] = T.Let(x * x + 1, where={x: A[i] + i})
""",
    "let-expression-nested": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    x = T.float32()
    y = T.float32()
    for i in range(8):
        B[i] = T.Let(T.Let(x * y, where={y: x + T.float32(1)}), where={x: A[i] * T.float32(2)})
""",
    "common-subexpressions": """
def main(A: T.Buffer((6, 7), "float32"), B: T.Buffer((6, 7), "float32")):
    for i, j in T.grid(6, 7):
        B[i, j] = (A[i, j] + T.float32(1)) * (A[i, j] + T.float32(1)) + (A[5 - i, 6 - j] + T.float32(1)) * (A[i, j] + T.float32(1))
""",
    "allocate-two-lives": """
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    C = T.alloc_buffer((16,), "float32")
    for i in range(16):
        C[i] = A[i] + T.float32(1)
    for i in range(16):
        B[i] = C[15 - i]
    D = T.alloc_buffer((16,), "float32")
    for i in range(16):
        D[i] = B[i] * T.float32(2)
    for i in range(16):
        A[i] = D[i] - A[i]
""",
    "allocate-in-loop": """
def main(A: T.Buffer((5, 6), "int32"), B: T.Buffer((5, 6), "int32")):
    for i in range(5):
        row = T.alloc_buffer((6,), "int32", scope="local")
        for j in range(6):
            row[j] = A[i, 5 - j]
        for j in range(6):
            B[i, j] = row[j] + i
""",
    "allocate-different-dtypes": """
def main(A: T.Buffer((12,), "int32"), B: T.Buffer((12,), "int32")):
    x = T.alloc_buffer((12,), "float32")
    for i in range(12):
        x[i] = T.Cast("float32", A[i]) * T.float32(0.5)
    for i in range(12):
        B[i] = T.Cast("int32", x[i])
    y = T.alloc_buffer((12,), "int8")
    for i in range(12):
        y[i] = T.Cast("int8", B[i])
    for i in range(12):
        A[i] = T.Cast("int32", y[11 - i])
""",
    "allocate-scalar": """
def main(A: T.Buffer((9,), "float32"), S: T.Buffer((1,), "float32")):
    total = T.alloc_buffer((), "float32")
    total[()] = T.float32(0)
    for i in range(9):
        total[()] = total[()] + A[i]
    S[0] = total[()]
""",
    "allocate-scopes": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    x = T.alloc_buffer((8,), "int32", scope="global")
    y = T.alloc_buffer((8,), "int32", scope="local")
    z = T.alloc_buffer((8,), "int32", scope="shared")
    for i in range(8):
        x[i] = A[i] + 1
        y[i] = x[i] * 2
        z[i] = y[i] - A[i]
    for i in range(8):
        B[i] = z[7 - i] + x[i]
""",
    "allocate-unused": """
def main(A: T.Buffer((8,), "int32")):
    x = T.alloc_buffer((8,), "int32")
    for i in range(8):
        x[i] = A[i]
    for i in range(8):
        A[i] = A[i] + 1
""",
    "ping-pong": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    state = T.alloc_buffer((2, 8), "float32")
    for i in range(8):
        state[0, i] = A[i]
    for t in range(5):
        for i in range(8):
            state[(t + 1) % 2, i] = state[t % 2, (i + 1) % 8] * T.float32(0.5)
    for i in range(8):
        B[i] = state[1, i]
""",
    "alias-reshape": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    C = T.decl_buffer((2, 4), "int32", data=B.data)
    for i, j in T.grid(2, 4):
        C[i, j] = A[i * 4 + j]
    for i in range(8):
        B[i] = B[i] + 1
""",
    "alias-strided": """
def main(A: T.Buffer((24,), "float32"), B: T.Buffer((24,), "float32")):
    columns = T.decl_buffer((6, 4), "float32", data=A.data, strides=[1, 6])
    for i, j in T.grid(6, 4):
        B[i * 4 + j] = columns[i, j]
""",
    "alias-offset": """
def main(A: T.Buffer((24,), "int32")):
    tail = T.decl_buffer((3, 4), "int32", data=A.data, elem_offset=12)
    head = T.decl_buffer((12,), "int32", data=A.data)
    for i, j in T.grid(3, 4):
        tail[i, j] = head[i * 4 + j] + tail[2 - i, j]
""",
    "alias-of-allocation": """
def main(A: T.Buffer((12,), "int32"), B: T.Buffer((3, 4), "int32")):
    flat = T.alloc_buffer((12,), "int32")
    square = T.decl_buffer((3, 4), "int32", data=flat.data)
    for i in range(12):
        flat[i] = A[i] * 3
    for i, j in T.grid(3, 4):
        B[i, j] = square[i, j] - 1
""",
    "strided-parameters": """
def main(a: T.handle, b: T.handle):
    A = T.match_buffer(a, (5, 6), "float32", strides=[6, 1])
    B = T.match_buffer(b, (5, 6), "float32")
    for i, j in T.grid(5, 6):
        B[i, j] = A[i, j] + T.float32(1)
""",
    "zero-dimensional": """
def main(a: T.Buffer((), "float32"), b: T.Buffer((), "float32")):
    b[()] = a[()] * T.float32(2) + b[()]
""",
    "rank-six": """
def main(A: T.Buffer((2, 1, 3, 2, 1, 2), "int32"), B: T.Buffer((2, 3, 1, 2, 2, 1), "int32")):
    for a, b, c, d, e, f in T.grid(2, 1, 3, 2, 1, 2):
        B[a, c, b, f, d, e] = A[a, b, c, d, e, f]
""",
    "indirect": """
def main(I: T.Buffer((9,), "int32"), A: T.Buffer((8,), "float32"), B: T.Buffer((9,), "float32")):
    for i in range(9):
        B[i] = A[T.floormod(I[i], 8)]
""",
    "indirect-twice": """
def main(I: T.Buffer((9,), "int32"), J: T.Buffer((8,), "int64"), H: T.Buffer((8,), "int32")):
    for i in range(9):
        H[T.floormod(J[T.floormod(I[i], 8)], T.int64(8))] += 1
""",
    "histogram": """
def main(A: T.Buffer((50,), "uint8"), H: T.Buffer((9,), "int32")):
    for i in range(9):
        H[i] = 0
    for i in range(50):
        H[T.min(T.Cast("int32", A[i]), 8)] = H[T.min(T.Cast("int32", A[i]), 8)] + 1
""",
    "attribute-pragma": """
def main(A: T.Buffer((8,), "float32")):
    with T.attr(T.int32(0), "pragma_unroll_explicit", 0):
        for i in range(8):
            A[i] = A[i] + T.float32(1)
""",
}

CALLS = {
    "call-private": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    Module.scale(A.data, B.data)
def scale(a: T.handle("float32"), b: T.handle("float32")):
    A = T.decl_buffer((8,), "float32", data=a)
    B = T.decl_buffer((8,), "float32", data=b)
    for i in range(8):
        B[i] = A[i] * T.float32(3)
""",
    "call-private-twice": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    Module.add(A.data, B.data, 1)
    Module.add(B.data, A.data, 5)
def add(a: T.handle("int32"), b: T.handle("int32"), n: T.int32):
    A = T.decl_buffer((8,), "int32", data=a)
    B = T.decl_buffer((8,), "int32", data=b)
    for i in range(8):
        B[i] = A[i] + n
""",
    "call-private-in-loop": """
def main(A: T.Buffer((4, 6), "float32"), S: T.Buffer((4,), "float32")):
    for i in range(4):
        Module.row_sum(A.data, S.data, i)
def row_sum(a: T.handle("float32"), s: T.handle("float32"), row: T.int32):
    A = T.decl_buffer((4, 6), "float32", data=a)
    S = T.decl_buffer((4,), "float32", data=s)
    S[row] = T.float32(0)
    for j in range(6):
        S[row] = S[row] + A[row, j]
""",
    "call-private-chain": """
def main(A: T.Buffer((6,), "int32")):
    Module.outer(A.data)
def outer(a: T.handle("int32")):
    Module.inner(a, 2)
    Module.inner(a, 3)
def inner(a: T.handle("int32"), n: T.int32):
    A = T.decl_buffer((6,), "int32", data=a)
    for i in range(6):
        A[i] = A[i] * n + i
""",
}
