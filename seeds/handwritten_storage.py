"""Family "storage": handwritten layouts, dtypes and annotations that operators never use.

Extents that are known at run time only, explicit strides and offsets of parameters, storage of 8-bit floats and 4 bits, arithmetic of bools,
integers through float functions, shifts and masks that pack and unpack, buffers that schedules mark
as double-buffered, pragmas without a value.
"""

from __future__ import annotations

from functools import partial

from seeds.recipe import Recipe, from_script

FAMILY = "storage"


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
        for name, text in PROGRAMS.items()
    ]


PROGRAMS: dict[str, str] = {
    "compact-strides": """
def main(A: T.Buffer((4, 8), "int32", strides=[8, 1]), B: T.Buffer((4, 8), "int32", strides=[8, 1])):
    for i, j in T.grid(4, 8):
        B[i, j] = A[i, 7 - j] + A[3 - i, j] // 2
""",
    "given-strides": """
def main(a: T.handle, b: T.handle):
    s0 = T.int32()
    s1 = T.int32()
    A = T.match_buffer(a, (4, 8), "float32", strides=[s0, s1])
    B = T.match_buffer(b, (4, 8), "float32")
    for i, j in T.grid(4, 8):
        B[i, j] = A[i, (j * 3 + i) % 8] * T.float32(2)
""",
    "given-offset": """
def main(a: T.handle, b: T.handle):
    offset = T.int32()
    A = T.match_buffer(a, (16,), "float32", elem_offset=offset)
    B = T.match_buffer(b, (16,), "float32")
    for i in range(16):
        B[i] = A[15 - i] + T.float32(1)
""",
    "float8-storage": """
def main(A: T.Buffer((8,), "float8_e4m3fn"), B: T.Buffer((8,), "float8_e4m3fn")):
    for i in range(8):
        B[i] = A[7 - i]
""",
    "float8-arithmetic": """
def main(A: T.Buffer((8,), "float8_e5m2"), B: T.Buffer((8,), "float32")):
    for i in range(8):
        B[i] = T.Cast("float32", A[i]) * T.float32(2)
""",
    "int4-storage": """
def main(A: T.Buffer((8,), "int4"), B: T.Buffer((8,), "int4")):
    for i in range(8):
        B[i] = A[i]
""",
    "pack-nibbles": """
def main(A: T.Buffer((8,), "uint8"), B: T.Buffer((4,), "uint8")):
    for i in range(4):
        B[i] = (A[i * 2] & T.uint8(15)) | T.shift_left(A[i * 2 + 1] & T.uint8(15), T.uint8(4))
""",
    "unpack-nibbles": """
def main(A: T.Buffer((4,), "uint8"), B: T.Buffer((8,), "uint8")):
    for i in range(8):
        B[i] = T.shift_right(A[i // 2], T.Cast("uint8", i % 2 * 4)) & T.uint8(15)
""",
    "unpack-words": """
def main(A: T.Buffer((4,), "uint32"), B: T.Buffer((32,), "int32")):
    for i in range(32):
        B[i] = T.Cast("int32", T.shift_right(A[i // 8], T.Cast("uint32", i % 8 * 4)) & T.uint32(15)) - 8
""",
    "bools-as-numbers": """
def main(A: T.Buffer((8,), "bool"), B: T.Buffer((8,), "bool"), C: T.Buffer((8,), "int32")):
    for i in range(8):
        C[i] = T.Cast("int32", A[i]) + T.Cast("int32", B[i]) * 2 - T.Cast("int32", A[i] and not B[i])
""",
    "integers-through-floats": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(8):
        B[i] = T.Cast("int32", T.sqrt(T.Cast("float32", T.max(A[i], 0) % 4096)))
""",
    "double-buffered": """
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4, 8), "float32")):
    for i in range(4):
        S = T.alloc_buffer((8,), "float32")
        with T.attr(S.data, "double_buffer_scope", 1):
            for j in range(8):
                S[j] = A[i, j] * T.float32(2)
        for j in range(8):
            B[i, j] = S[7 - j]
""",
    "pragma-without-value": """
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4, 8), "float32")):
    for i in T.serial(4, annotations={"pragma_unroll_explicit": None}):
        for j in T.serial(8, annotations={"pragma_auto_unroll_max_step": T.int64(16)}):
            B[i, j] = A[i, j] + T.float32(1)
""",
    "padded-window": """
def main(A: T.Buffer((6, 6), "float32"), B: T.Buffer((6, 6), "float32")):
    for i, j, k in T.grid(6, 6, 3):
        y = i + k - 1
        B[i, j] = B[i, j] + T.if_then_else(0 <= y and y < 6, A[T.min(T.max(y, 0), 5), j], T.float32(0))
""",
    "fused-and-split": """
def main(A: T.Buffer((5, 7), "int32"), B: T.Buffer((6, 6), "int32")):
    for f in range(36):
        if f < 35:
            B[f // 6, f % 6] = A[f // 7, f % 7]
""",
    "symbolic-reverse": """
def main(a: T.handle, b: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n,), "int32")
    B = T.match_buffer(b, (n,), "int32")
    for i in range(n):
        B[i] = A[n - 1 - i] // 3 + T.min(n, 9)
""",
    "symbolic-transpose": """
def main(a: T.handle, b: T.handle):
    n = T.int32()
    m = T.int32()
    A = T.match_buffer(a, (n, m), "float32")
    B = T.match_buffer(b, (m, n), "float32")
    for i, j in T.grid(n, m):
        with T.sblock("transpose"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vj, vi] = A[vi, vj] * T.float32(2)
""",
    "symbolic-matmul": """
def main(a: T.handle, b: T.handle, c: T.handle):
    n = T.int64()
    A = T.match_buffer(a, (n, 4), "float32")
    B = T.match_buffer(b, (4, n), "float32")
    C = T.match_buffer(c, (n, n), "float32")
    for i, j, k in T.grid(n, n, T.int64(4)):
        with T.sblock("matmul"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = T.float32(0)
            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
""",
    "symbolic-given": """
def main(a: T.handle, n: T.int32):
    A = T.match_buffer(a, (n, n), "int32")
    for i, j in T.grid(n, n):
        A[i, j] = A[i, j] // 2 + n - i
""",
    "symbolic-tiles": """
def main(a: T.handle, b: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n,), "float32")
    B = T.match_buffer(b, (n,), "float32")
    for o, i in T.grid((n + 3) // 4, 4):
        if T.likely(o * 4 + i < n):
            B[o * 4 + i] = A[(o * 4 + i + 1) % n] + T.float32(1)
""",
    "indices-of-both-widths": """
def main(A: T.Buffer((T.int64(4), T.int64(6)), "int32"), B: T.Buffer((24,), "int32")):
    for i in range(24):
        B[23 - i] = A[T.Cast("int64", i) // T.int64(6), T.Cast("int64", i) % T.int64(6)]
""",
}
