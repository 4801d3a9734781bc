"""Family "vectors": handwritten vector loads, stores, expressions, and loops to vectorise."""

from __future__ import annotations

from functools import partial

from seeds.recipe import Recipe, from_script

FAMILY = "vectors"


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
        for table in (EXPLICIT, LOOPS)
        for name, text in table.items()
    ]


EXPLICIT = {
    "ramp-copy": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    B[T.Ramp(0, 1, 8)] = A[T.Ramp(0, 1, 8)] * T.Broadcast(T.float32(2), 8)
""",
    "ramp-reversed": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    B[T.Ramp(7, -1, 8)] = A[T.Ramp(0, 1, 8)]
""",
    "ramp-strided-load": """
def main(A: T.Buffer((24,), "float32"), B: T.Buffer((8,), "float32")):
    B[T.Ramp(0, 1, 8)] = A[T.Ramp(1, 3, 8)] + A[T.Ramp(0, 3, 8)]
""",
    "ramp-strided-store": """
def main(A: T.Buffer((8,), "int16"), B: T.Buffer((16,), "int16")):
    B[T.Ramp(1, 2, 8)] = A[T.Ramp(0, 1, 8)]
""",
    "ramp-in-loop": """
def main(A: T.Buffer((6, 8), "float32"), B: T.Buffer((6, 8), "float32")):
    for i in range(6):
        for j in range(2):
            B[i, T.Ramp(j * 4, 1, 4)] = A[5 - i, T.Ramp(j * 4, 1, 4)] + T.Broadcast(A[i, j], 4)
""",
    "ramp-stride-is-row": """
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    for i in range(4):
        B[T.Ramp(i * 4, 1, 4)] = A[T.Ramp(i, 4, 4)]
""",
    "gather-by-vector-index": """
def main(I: T.Buffer((4,), "int32"), A: T.Buffer((9,), "float32"), B: T.Buffer((4,), "float32")):
    B[T.Ramp(0, 1, 4)] = A[T.Cast("int32x4", T.Broadcast(4, 4)) + T.truncmod(I[T.Ramp(0, 1, 4)], T.Broadcast(5, 4))]
""",
    "broadcast-scalar": """
def main(A: T.Buffer((16,), "int8"), n: T.int32):
    A[T.Ramp(0, 1, 16)] = T.Broadcast(T.Cast("int8", n), 16)
""",
    "shuffle": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    B[T.Ramp(0, 1, 4)] = T.Shuffle([A[T.Ramp(0, 1, 4)], A[T.Ramp(4, 1, 4)]], [0, 5, 2, 7])
""",
    "shuffle-extract": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((2,), "float32")):
    B[0] = T.Shuffle([A[T.Ramp(0, 1, 8)]], [3])
    B[1] = T.Shuffle([A[T.Ramp(0, 1, 4)], A[T.Ramp(4, 1, 4)]], [6])
""",
    "shuffle-scalars": """
def main(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")):
    B[T.Ramp(0, 1, 4)] = T.Shuffle([A[3], A[1], A[2], A[0]], [0, 1, 2, 3])
""",
    "vector-cast": """
def main(A: T.Buffer((8,), "int8"), B: T.Buffer((8,), "float32")):
    B[T.Ramp(0, 1, 8)] = T.Cast("float32x8", A[T.Ramp(0, 1, 8)])
""",
    "vector-select": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    B[T.Ramp(0, 1, 8)] = T.Select(A[T.Ramp(0, 1, 8)] > T.Broadcast(T.float32(0), 8), A[T.Ramp(0, 1, 8)], T.Broadcast(T.float32(-1), 8))
""",
    "vector-min-max": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32"), C: T.Buffer((8,), "int32")):
    C[T.Ramp(0, 1, 8)] = T.max(T.min(A[T.Ramp(0, 1, 8)], B[T.Ramp(0, 1, 8)]), T.Ramp(-4, 1, 8))
""",
    "vector-division": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32"), C: T.Buffer((8,), "int32")):
    B[T.Ramp(0, 1, 8)] = T.floordiv(A[T.Ramp(0, 1, 8)], T.Broadcast(3, 8))
    C[T.Ramp(0, 1, 8)] = T.floormod(A[T.Ramp(0, 1, 8)], T.Broadcast(-5, 8))
""",
    "vector-bool": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "bool")):
    B[T.Ramp(0, 1, 8)] = A[T.Ramp(0, 1, 8)] < T.Ramp(-4, 1, 8)
""",
    "vector-let": """
def main(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")):
    x: T.let[T.float32x4] = A[T.Ramp(0, 1, 4)] * T.Broadcast(T.float32(3), 4)
    B[T.Ramp(0, 1, 4)] = x + x
""",
    "vector-intrinsics": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    B[T.Ramp(0, 1, 8)] = T.exp(A[T.Ramp(0, 1, 8)]) + T.sqrt(T.fabs(A[T.Ramp(0, 1, 8)]))
""",
    "vector-float16": """
def main(A: T.Buffer((16,), "float16"), B: T.Buffer((16,), "float16")):
    for i in range(2):
        B[T.Ramp(i * 8, 1, 8)] = A[T.Ramp(i * 8, 1, 8)] * T.Broadcast(T.float16(0.5), 8)
""",
    "vector-of-three": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((9,), "float32")):
    for i in range(3):
        B[T.Ramp(i * 3, 1, 3)] = A[T.Ramp(i, 3, 3)]
""",
    "vector-buffer": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    lanes = T.alloc_buffer((2,), "float32x4")
    for i in range(2):
        lanes[i] = A[T.Ramp(i * 4, 1, 4)] + T.Broadcast(T.float32(1), 4)
    for i in range(2):
        B[T.Ramp(i * 4, 1, 4)] = lanes[1 - i]
""",
    "vector-reinterpret": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "int32")):
    B[T.Ramp(0, 1, 8)] = T.reinterpret("int32x8", A[T.Ramp(0, 1, 8)])
""",
    "overlapping-load-and-store": """
def main(A: T.Buffer((12,), "int32")):
    A[T.Ramp(2, 1, 8)] = A[T.Ramp(0, 1, 8)] + A[T.Ramp(4, 1, 8)]
""",
}

LOOPS = {
    "loop-contiguous": """
def main(A: T.Buffer((5, 8), "float32"), B: T.Buffer((5, 8), "float32")):
    for i in range(5):
        for j in T.vectorized(8):
            B[i, j] = A[i, j] + T.float32(1)
""",
    "loop-strided": """
def main(A: T.Buffer((8, 4), "float32"), B: T.Buffer((8, 4), "float32")):
    for j in range(4):
        for i in T.vectorized(8):
            B[i, j] = A[7 - i, j] * T.float32(2)
""",
    "loop-with-condition": """
def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32")):
    for i in range(2):
        for j in T.vectorized(8):
            if A[i * 8 + j] > 0:
                B[i * 8 + j] = A[i * 8 + j]
""",
    "loop-with-tail": """
def main(A: T.Buffer((13,), "float32"), B: T.Buffer((13,), "float32")):
    for i in range(4):
        for j in T.vectorized(4):
            if T.likely(i * 4 + j < 13):
                B[i * 4 + j] = A[i * 4 + j] + T.float32(1)
""",
    "loop-invariant-condition": """
def main(A: T.Buffer((5, 8), "int32"), B: T.Buffer((5, 8), "int32")):
    for i in range(5):
        for j in T.vectorized(8):
            if i < 3:
                B[i, j] = A[i, j]
            else:
                B[i, j] = i
""",
    "loop-uses-index": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        A[i] = i * i - 3
        B[i] = T.Cast("float32", i) * T.float32(0.25)
""",
    "loop-expression-if": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        B[i] = T.if_then_else(i < 5, A[i], T.float32(0))
""",
    "loop-select": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        B[i] = T.Select(i % 2 == 0, A[i], -A[7 - i])
""",
    "loop-bind": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        x: T.let[T.float32] = A[i] * A[i]
        B[i] = x + T.float32(1)
""",
    "loop-division": """
def main(A: T.Buffer((16,), "int32"), B: T.Buffer((4, 4), "int32")):
    for i in T.vectorized(16):
        B[i // 4, i % 4] = A[i]
""",
    "loop-gather": """
def main(I: T.Buffer((8,), "int32"), A: T.Buffer((9,), "float32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        B[i] = A[T.floormod(I[i], 9)]
""",
    "loop-with-inner-loop": """
def main(A: T.Buffer((3, 8), "float32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        B[i] = T.float32(0)
        for k in range(3):
            B[i] = B[i] + A[k, i]
""",
    "loop-with-allocation": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    for i in T.vectorized(8):
        x = T.alloc_buffer((1,), "int32", scope="local")
        x[0] = A[i] + 1
        B[i] = x[0] * x[0]
""",
    "loop-casts": """
def main(A: T.Buffer((16,), "uint8"), B: T.Buffer((16,), "int32"), C: T.Buffer((16,), "float16")):
    for i in T.vectorized(16):
        B[i] = T.Cast("int32", A[i]) - 4
        C[i] = T.Cast("float16", A[i])
""",
    "loop-bfloat16": """
def main(A: T.Buffer((8,), "bfloat16"), B: T.Buffer((8,), "bfloat16")):
    for i in T.vectorized(8):
        B[i] = A[i] + T.bfloat16(1)
""",
    "loop-of-one": """
def main(A: T.Buffer((5, 1), "float32"), B: T.Buffer((5, 1), "float32")):
    for i in range(5):
        for j in T.vectorized(1):
            B[i, j] = A[i, j] * T.float32(2)
""",
    "loop-of-five": """
def main(A: T.Buffer((3, 5), "int32"), B: T.Buffer((3, 5), "int32")):
    for i in range(3):
        for j in T.vectorized(5):
            B[i, j] = A[i, 4 - j] + j
""",
    "loop-nested-vectors": """
def main(A: T.Buffer((4, 4), "float32"), B: T.Buffer((4, 4), "float32")):
    for i in T.unroll(4):
        for j in T.vectorized(4):
            B[j, i] = A[i, j] + T.Cast("float32", i - j)
""",
    "loop-start-not-zero": """
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    for i in T.vectorized(4, 12):
        B[i] = A[i - 4] + A[i]
""",
    "loop-while": """
def main(A: T.Buffer((4, 8), "int32"), B: T.Buffer((8,), "int32")):
    n = T.alloc_buffer((1,), "int32", scope="local")
    n[0] = 0
    while n[0] < 4:
        for i in T.vectorized(8):
            B[i] = B[i] + A[n[0], i]
        n[0] = n[0] + 1
""",
    "loop-popcount": """
def main(A: T.Buffer((8,), "uint32"), B: T.Buffer((8,), "uint32")):
    for i in T.vectorized(8):
        B[i] = T.popcount(A[i]) + (A[i] >> T.uint32(1))
""",
    "block-loop": """
def main(A: T.Buffer((7, 8), "float32"), B: T.Buffer((7, 8), "float32")):
    for i in range(7):
        for j in T.vectorized(8):
            with T.sblock("B"):
                vi, vj = T.axis.remap("SS", [i, j])
                T.where(i * 8 + j < 50)
                B[vi, vj] = A[vi, vj] - T.float32(3)
""",
}
