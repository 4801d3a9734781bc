"""The loops of the family "control", as TVMScript by name.

while, break, continue, and loops whose bounds depend on other loops or that don't start at zero.
"""

from __future__ import annotations

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
