"""Family "control": handwritten loops, branches, bindings, calls and allocations.

They use what tensor operators never do: while, break, continue, loops whose bounds depend on other
loops or that don't start at zero, scalar parameters, assertions, private functions, buffers that
share one storage.
"""

from __future__ import annotations

from functools import partial

from seeds.recipe import Recipe, from_script

FAMILY = "control"


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
        for table in (LOOPS, BRANCHES, STORAGE, CALLS)
        for name, text in table.items()
    ]


LOOPS = {
    "while-count": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    i = T.alloc_buffer((1,), "int32", scope="local")
    i[0] = 0
    while i[0] < 8:
        B[i[0]] = A[i[0]] + 1
        i[0] = i[0] + 1
""",
    "while-gcd": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32"), G: T.Buffer((9,), "int32")):
    x = T.alloc_buffer((1,), "int32", scope="local")
    y = T.alloc_buffer((1,), "int32", scope="local")
    t = T.alloc_buffer((1,), "int32", scope="local")
    for i in range(9):
        x[0] = T.abs(A[i]) + 12
        y[0] = T.abs(B[i]) + 18
        while y[0] != 0:
            t[0] = T.truncmod(x[0], y[0])
            x[0] = y[0]
            y[0] = t[0]
        G[i] = x[0]
""",
    "while-binary-search": """
def main(A: T.Buffer((16,), "int32"), Q: T.Buffer((5,), "int32"), P: T.Buffer((5,), "int32")):
    low = T.alloc_buffer((1,), "int32", scope="local")
    high = T.alloc_buffer((1,), "int32", scope="local")
    for i in range(16):
        A[i] = i * 3 - 20
    for q in range(5):
        low[0] = 0
        high[0] = 16
        while low[0] < high[0]:
            middle: T.let[T.int32] = (low[0] + high[0]) // 2
            if A[middle] < Q[q]:
                low[0] = middle + 1
            else:
                high[0] = middle
        P[q] = low[0]
""",
    "while-never": """
def main(A: T.Buffer((4,), "float32")):
    i = T.alloc_buffer((1,), "int32", scope="local")
    i[0] = 5
    while i[0] < 5:
        A[0] = T.float32(0)
        i[0] = i[0] + 1
    A[1] = A[1] * T.float32(2)
""",
    "while-nested": """
def main(A: T.Buffer((6, 4), "int64"), S: T.Buffer((6,), "int64")):
    i = T.alloc_buffer((1,), "int64", scope="local")
    j = T.alloc_buffer((1,), "int64", scope="local")
    i[0] = T.int64(0)
    while i[0] < T.int64(6):
        S[i[0]] = T.int64(0)
        j[0] = T.int64(0)
        while j[0] < T.int64(4):
            S[i[0]] = S[i[0]] + A[i[0], j[0]]
            j[0] = j[0] + T.int64(1)
        i[0] = i[0] + T.int64(1)
""",
    "break-first-negative": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        if A[i] < 0:
            break
        B[i] = A[i] * 2
""",
    "continue-odd": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        if T.floormod(A[i], 2) == 1:
            continue
        B[i] = A[i] - i
""",
    "break-and-continue-nested": """
def main(A: T.Buffer((5, 7), "float32"), B: T.Buffer((5,), "float32")):
    for i in range(5):
        B[i] = T.float32(0)
        for j in range(7):
            if A[i, j] < T.float32(-2):
                continue
            if A[i, j] > T.float32(3):
                break
            B[i] = B[i] + A[i, j]
        B[i] = B[i] * T.float32(0.5)
""",
    "break-in-while": """
def main(A: T.Buffer((8,), "int32"), N: T.Buffer((1,), "int32")):
    N[0] = 0
    while N[0] < 8:
        if A[N[0]] == 0:
            break
        N[0] = N[0] + 1
""",
    "triangle": """
def main(A: T.Buffer((9, 9), "float32"), B: T.Buffer((9,), "float32")):
    for i in range(9):
        B[i] = T.float32(0)
        for j in range(i + 1):
            B[i] = B[i] + A[i, j]
""",
    "triangle-shrinking": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(4):
        for j in range(i, 8 - i):
            B[i] = B[i] + A[j]
""",
    "band": """
def main(A: T.Buffer((11,), "float32"), B: T.Buffer((11,), "float32")):
    for i in range(11):
        B[i] = T.float32(0)
        for j in T.serial(T.max(i - 2, 0), T.min(i + 3, 11)):
            B[i] = T.max(B[i], A[j])
""",
    "start-not-zero": """
def main(A: T.Buffer((12,), "int32"), B: T.Buffer((12,), "int32")):
    for i in range(3, 11):
        for j in range(2, 4):
            B[i] = B[i] + A[i - j]
""",
    "start-negative": """
def main(A: T.Buffer((11,), "int32"), B: T.Buffer((11,), "int32")):
    for i in range(-5, 6):
        B[i + 5] = A[i + 5] * i
""",
    "step-three": """
def main(A: T.Buffer((13,), "int32"), B: T.Buffer((13,), "int32")):
    for i in T.serial(1, 12, step=3):
        B[i] = A[i + 1] + i
""",
    "step-symbolic-start": """
def main(A: T.Buffer((9, 9), "int32")):
    for i in range(9):
        for j in T.serial(i, 9, step=2):
            A[i, j] = A[i, j] + i * j
""",
    "extent-one": """
def main(A: T.Buffer((7,), "int32"), B: T.Buffer((1, 7), "int32")):
    for i in range(1):
        for j in range(7):
            for k in T.unroll(1):
                B[i, j] = A[j + k] - i
""",
    "extent-zero": """
def main(A: T.Buffer((7,), "int32")):
    for i in range(0):
        A[i] = 99
    for i in range(7):
        for j in range(i - 4):
            A[i] = A[i] + j
""",
    "extent-from-data": """
def main(N: T.Buffer((5,), "int32"), B: T.Buffer((5,), "int32")):
    for i in range(5):
        for j in range(T.min(T.abs(N[i]), 6)):
            B[i] = B[i] + j
""",
    "extent-from-scalar": """
def main(A: T.Buffer((9,), "float32"), n: T.int32):
    for i in range(T.max(T.min(n, 9), 0)):
        A[i] = A[i] + T.Cast("float32", n)
""",
    "unroll-nest": """
def main(A: T.Buffer((3, 4), "float32"), B: T.Buffer((4, 3), "float32")):
    for i in T.unroll(3):
        for j in T.unroll(4):
            B[j, i] = A[i, j] * T.Cast("float32", i - j)
""",
    "parallel-rows": """
def main(A: T.Buffer((6, 5), "float32"), B: T.Buffer((6,), "float32")):
    for i in T.parallel(6):
        B[i] = T.float32(0)
        for j in range(5):
            B[i] = B[i] + A[i, j]
""",
    "parallel-from-two": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in T.parallel(2, 9):
        B[i] = A[i] * A[i - 2]
""",
    "pragma-auto-unroll": """
def main(A: T.Buffer((6, 4), "float32"), B: T.Buffer((6, 4), "float32")):
    for i in T.serial(6, annotations={"pragma_auto_unroll_max_step": 16, "pragma_unroll_explicit": 1}):
        for j in range(4):
            B[i, j] = A[i, j] * T.float32(3)
""",
    "partition-hint": """
def main(A: T.Buffer((37,), "float32"), B: T.Buffer((37,), "float32")):
    for i in T.serial(5, annotations={"pragma_loop_partition_hint": 1}):
        for j in range(8):
            if T.likely(i * 8 + j < 37):
                B[i * 8 + j] = A[i * 8 + j] + T.float32(1)
""",
    "partition-hint-middle": """
def main(A: T.Buffer((20,), "int32"), B: T.Buffer((20,), "int32")):
    for i in T.serial(20, annotations={"pragma_loop_partition_hint": 1}):
        if T.likely(i >= 3):
            if T.likely(i < 15):
                B[i] = A[i - 3] + A[i]
            else:
                B[i] = A[i]
""",
    "likely-tail": """
def main(A: T.Buffer((37,), "float32"), B: T.Buffer((37,), "float32")):
    for i, j in T.grid(10, 4):
        if T.likely(i * 4 + j < 37):
            B[i * 4 + j] = A[i * 4 + j] * T.float32(2)
""",
    "carried-fibonacci": """
def main(F: T.Buffer((20,), "uint32")):
    F[0] = T.uint32(1)
    F[1] = T.uint32(1)
    for i in range(18):
        F[i + 2] = F[i] + F[i + 1]
""",
    "carried-backwards": """
def main(A: T.Buffer((12,), "float32")):
    for i in range(11):
        A[10 - i] = A[10 - i] + A[11 - i] * T.float32(0.5)
""",
    "carried-stencil": """
def main(A: T.Buffer((6, 7), "float32")):
    for t in range(3):
        for i, j in T.grid(4, 5):
            A[i + 1, j + 1] = (A[i, j + 1] + A[i + 2, j + 1] + A[i + 1, j] + A[i + 1, j + 2]) * T.float32(0.25)
""",
    "carried-distance-three": """
def main(A: T.Buffer((17,), "int32")):
    for i in range(3, 17):
        A[i] = T.truncmod(A[i] + A[i - 3] * 2, 1000)
""",
    "insertion-sort": """
def main(A: T.Buffer((10,), "int32")):
    j = T.alloc_buffer((1,), "int32", scope="local")
    key = T.alloc_buffer((1,), "int32", scope="local")
    for i in range(1, 10):
        key[0] = A[i]
        j[0] = i - 1
        while j[0] >= 0:
            if A[j[0]] <= key[0]:
                break
            A[j[0] + 1] = A[j[0]]
            j[0] = j[0] - 1
        A[j[0] + 1] = key[0]
""",
    "matmul-imperfect-tiles": """
def main(A: T.Buffer((7, 5), "float32"), B: T.Buffer((5, 9), "float32"), C: T.Buffer((7, 9), "float32")):
    for i, j in T.grid(7, 9):
        C[i, j] = T.float32(0)
    for io, jo, ko in T.grid(3, 3, 2):
        for ii, ji, ki in T.grid(3, 4, 3):
            if io * 3 + ii < 7 and jo * 4 + ji < 9 and ko * 3 + ki < 5:
                C[io * 3 + ii, jo * 4 + ji] = C[io * 3 + ii, jo * 4 + ji] + A[io * 3 + ii, ko * 3 + ki] * B[ko * 3 + ki, jo * 4 + ji]
""",
    "fused-index": """
def main(A: T.Buffer((3, 5, 7), "int32"), B: T.Buffer((7, 3, 5), "int32")):
    for f in range(105):
        B[f % 7, f // 35, f // 7 % 5] = A[f // 35, f // 7 % 5, f % 7]
""",
    "int64-loops": """
def main(A: T.Buffer((4, 9), "float32"), B: T.Buffer((9, 4), "float32")):
    for i in range(T.int64(4)):
        for j in range(T.int64(9)):
            B[j, i] = A[i, j]
""",
    "int64-and-int32-loops": """
def main(A: T.Buffer((T.int64(6), T.int64(5)), "int64"), B: T.Buffer((6, 5), "int64")):
    for i in range(T.int64(6)):
        for j in range(5):
            B[T.Cast("int32", i), j] = A[i, T.Cast("int64", j)] + i * T.int64(j)
""",
    "uint8-loop": """
def main(A: T.Buffer((9,), "int32")):
    for i in range(T.uint8(9)):
        A[T.Cast("int32", i)] = A[T.Cast("int32", i)] + T.Cast("int32", i * T.uint8(40))
""",
}

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
