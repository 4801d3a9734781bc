"""Family "arithmetic": handwritten scalar expressions of every operator and dtype.

Division in both roundings with operands of either sign, shifts, bit counts, casts between all
widths, unsigned wrap-around, comparisons, special float functions, and index expressions that the
analyzer has rules for.
"""

from __future__ import annotations

from functools import partial

from seeds.recipe import Recipe, from_script

FAMILY = "arithmetic"
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
        for name, text in (*programs_by_dtype().items(), *EXPRESSIONS.items())
    ]


def programs_by_dtype() -> dict[str, str]:
    """The programs that exist once for each dtype."""
    programs: dict[str, str] = {}
    for dtype in SIGNED:
        programs[f"divisions-{dtype}"] = DIVISIONS.replace("DTYPE", dtype)
    for dtype in ("uint8", "uint16"):  # the wider ones must not wrap: TVM's LLVM backend assumes so
        programs[f"wrap-around-{dtype}"] = WRAP_AROUND.replace("DTYPE", dtype)
    for dtype in ("int8", "int32", "uint16", "int64", "uint64"):
        programs[f"bits-{dtype}"] = BITS.replace("DTYPE", dtype)
    for dtype in FLOATS:
        programs[f"polynomial-{dtype}"] = POLYNOMIAL.replace("DTYPE", dtype)
    for dtype in (*SIGNED, *UNSIGNED, "float16", "bfloat16", "bool"):
        programs[f"casts-from-{dtype}"] = casts_from(dtype)
    return programs


def casts_from(dtype: str) -> str:
    """A program that casts a buffer to every other dtype that can represent its values."""
    targets = [other for other in (*SIGNED, *UNSIGNED, *FLOATS, "bool") if other != dtype]
    if dtype in FLOATS:  # the cast of a negative float to an unsigned integer is undefined
        targets = [other for other in targets if not other.startswith("uint")]
    parameters = ", ".join(f'{other}_out: T.Buffer((6,), "{other}")' for other in targets)
    stores = "\n".join(f'        {other}_out[i] = T.Cast("{other}", A[i])' for other in targets)
    return (
        f'def main(A: T.Buffer((6,), "{dtype}"), {parameters}):\n    for i in range(6):\n{stores}'
    )


DIVISIONS = """
def main(A: T.Buffer((9,), "DTYPE"), B: T.Buffer((9,), "DTYPE"), Q: T.Buffer((4, 9), "DTYPE")):
    for i in range(9):
        divisor: T.let[T.DTYPE] = T.Select(B[i] == T.DTYPE(0), T.DTYPE(-3), B[i])
        Q[0, i] = T.floordiv(A[i], divisor)
        Q[1, i] = T.floormod(A[i], divisor)
        Q[2, i] = T.truncdiv(A[i], divisor)
        Q[3, i] = T.truncmod(A[i], divisor)
"""

WRAP_AROUND = """
def main(A: T.Buffer((9,), "DTYPE"), B: T.Buffer((9,), "DTYPE"), C: T.Buffer((4, 9), "DTYPE")):
    for i in range(9):
        C[0, i] = A[i] - B[i]
        C[1, i] = (A[i] - T.DTYPE(9)) * B[i]
        C[2, i] = T.floordiv(A[i] - B[i], B[i] + T.DTYPE(1))
        C[3, i] = T.max(A[i] - B[i], B[i]) % T.DTYPE(7)
"""

BITS = """
def main(A: T.Buffer((9,), "DTYPE"), B: T.Buffer((9,), "DTYPE"), C: T.Buffer((6, 9), "DTYPE")):
    for i in range(9):
        C[0, i] = A[i] & B[i]
        C[1, i] = A[i] | T.DTYPE(5)
        C[2, i] = A[i] ^ B[i]
        C[3, i] = ~A[i]
        C[4, i] = A[i] >> (B[i] & T.DTYPE(3))
        C[5, i] = (A[i] & T.DTYPE(7)) << (B[i] & T.DTYPE(3))
"""

POLYNOMIAL = """
def main(A: T.Buffer((9,), "DTYPE"), B: T.Buffer((9,), "DTYPE"), C: T.Buffer((3, 9), "DTYPE")):
    for i in range(9):
        C[0, i] = (A[i] * T.DTYPE(0.5) + T.DTYPE(1)) * B[i] - A[i]
        C[1, i] = T.max(T.min(A[i], B[i]), T.DTYPE(-2))
        C[2, i] = T.Select(A[i] < B[i], A[i] / T.DTYPE(4), -B[i])
"""

EXPRESSIONS = {
    "popcount-clz": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int64"), C: T.Buffer((9,), "int32"), D: T.Buffer((9,), "int64")):
    for i in range(9):
        C[i] = T.popcount(A[i]) + T.clz(T.max(A[i], 1))
        D[i] = T.popcount(B[i]) + T.Cast("int64", T.clz(T.max(B[i], T.int64(1))))
""",
    "divide-by-constants": """
def main(A: T.Buffer((17,), "int32"), Q: T.Buffer((6, 17), "int32")):
    for i in range(17):
        Q[0, i] = A[i] // 3
        Q[1, i] = A[i] % 8
        Q[2, i] = T.truncdiv(A[i], -4)
        Q[3, i] = T.truncmod(A[i], 7)
        Q[4, i] = (A[i] * 6 + 5) // 3
        Q[5, i] = (A[i] * 4 + i) % 4
""",
    "divide-negative-constants": """
def main(A: T.Buffer((17,), "int32"), Q: T.Buffer((4, 17), "int32")):
    for i in range(17):
        Q[0, i] = T.floordiv(A[i], -3)
        Q[1, i] = T.floormod(A[i], -3)
        Q[2, i] = T.floordiv(-A[i], 5)
        Q[3, i] = T.floormod(A[i] - 100, 6)
""",
    "divide-nested": """
def main(A: T.Buffer((60,), "int32"), B: T.Buffer((60,), "int32")):
    for i in range(60):
        B[i] = A[(i // 4 * 4 + i % 4)] + (i // 3) // 5 - (i % 15) // 3 + (i * 2 + 1) // 2
""",
    "index-linear": """
def main(A: T.Buffer((4, 5, 6), "float32"), B: T.Buffer((120,), "float32")):
    for i, j, k in T.grid(4, 5, 6):
        B[((i * 5 + j) * 6 + k) % 120] = A[(i * 30 + j * 6 + k) // 30, (i * 30 + j * 6 + k) % 30 // 6, (j * 6 + k) % 6]
""",
    "index-min-max": """
def main(A: T.Buffer((11,), "float32"), B: T.Buffer((11,), "float32")):
    for i in range(11):
        B[i] = A[T.max(T.min(i * 2 - 5, 10), 0)] + A[T.min(T.max(i - 1, 0), T.max(9 - i, 0))]
""",
    "index-int64-mixed": """
def main(A: T.Buffer((40,), "int32"), B: T.Buffer((40,), "int32")):
    for i in range(8):
        for j in range(T.int64(5)):
            B[T.Cast("int64", i) * T.int64(5) + j] = A[T.Cast("int32", j) * 8 + i]
""",
    "index-modulo-ring": """
def main(A: T.Buffer((7,), "int32"), B: T.Buffer((7,), "int32")):
    for i in range(21):
        B[i % 7] = B[i % 7] + A[(i * 3 + 2) % 7] - A[(i + 5) % 7]
""",
    "comparison-chain": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "bool")):
    for i in range(9):
        B[i] = (A[i] * 2 < 7 and A[i] + 3 >= 1) or (not A[i] == i and i * 2 != 8)
""",
    "comparison-of-halves": """
def main(A: T.Buffer((20,), "int32")):
    for i in range(20):
        if i // 4 < 3 and i % 4 >= 1 and i * 3 <= 50:
            A[i] = A[i] * 10 + i // 4
""",
    "comparison-unsigned": """
def main(A: T.Buffer((9,), "uint8"), B: T.Buffer((9,), "uint32"), C: T.Buffer((9,), "int32")):
    for i in range(9):
        C[i] = T.Select(A[i] - T.uint8(4) < T.uint8(128), 1, 0) + T.Select(B[i] - T.uint32(4) > B[i], 10, 0)
""",
    "boolean-algebra": """
def main(A: T.Buffer((8,), "bool"), B: T.Buffer((8,), "bool"), C: T.Buffer((8,), "bool")):
    for i in range(8):
        C[i] = (A[i] and not B[i]) or (not A[i] and B[i]) or (A[i] and T.bool(False))
""",
    "narrowing-round-trip": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        B[i] = T.Cast("int32", T.Cast("int8", A[i] * 31)) + T.Cast("int32", T.Cast("uint8", A[i]))
""",
    "widening-multiply": """
def main(A: T.Buffer((9,), "int8"), B: T.Buffer((9,), "uint8"), C: T.Buffer((9,), "int32")):
    for i in range(9):
        C[i] = T.Cast("int32", A[i]) * T.Cast("int32", B[i]) + T.Cast("int32", T.Cast("int16", A[i]) * T.int16(100))
""",
    "large-int64": """
def main(A: T.Buffer((9,), "int64"), B: T.Buffer((9,), "int64")):
    for i in range(9):
        B[i] = A[i] * T.int64(4000000000) + T.int64(9223372036854775) // (A[i] + T.int64(20))
""",
    "large-uint64": """
def main(A: T.Buffer((9,), "uint64"), B: T.Buffer((9,), "uint64")):
    for i in range(9):
        B[i] = (A[i] * T.uint64(1152921504606846975) + T.uint64(1442695040888963407)) >> T.uint64(33)
""",
    "pseudo-random-uint32": """
def main(A: T.Buffer((12,), "uint32")):
    for i in range(1, 12):
        A[i] = T.Cast("uint32", (T.Cast("uint64", A[i - 1]) * T.uint64(1664525) + T.uint64(1013904223)) & T.uint64(0xFFFFFFFF))
""",
    "reinterpret-float-bits": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((9,), "float32")):
    for i in range(9):
        B[i] = T.reinterpret("float32", T.reinterpret("uint32", A[i]) & T.uint32(0x7FFFFFFF))
""",
    "float-rounding": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((5, 9), "float32")):
    for i in range(9):
        B[0, i] = T.floor(A[i])
        B[1, i] = T.ceil(A[i])
        B[2, i] = T.trunc(A[i])
        B[3, i] = T.round(A[i])
        B[4, i] = T.nearbyint(A[i])
""",
    "float-functions": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((6, 9), "float32")):
    for i in range(9):
        B[0, i] = T.exp2(A[i])
        B[1, i] = T.log1p(T.fabs(A[i]))
        B[2, i] = T.pow(T.fabs(A[i]) + T.float32(0.5), T.float32(1.5))
        B[3, i] = T.hypot(A[i], T.float32(2))
        B[4, i] = T.copysign(T.float32(3), A[i])
        B[5, i] = T.sigmoid(A[i]) - T.tanh(A[i])
""",
    "float-special-values": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        B[i] = T.Select(T.isnan(A[i]), 1, 0) + T.Select(T.isinf(T.infinity("float32") * (A[i] * A[i] + T.float32(1))), 2, 0)
""",
    "float-comparison-with-nan": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((3, 9), "bool")):
    for i in range(9):
        nan: T.let[T.float32] = T.sqrt(-T.fabs(A[i]) - T.float32(1))
        B[0, i] = nan < A[i]
        B[1, i] = not nan < A[i]
        B[2, i] = nan != nan
""",
    "float-identities": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((9,), "float32")):
    for i in range(9):
        B[i] = (A[i] + T.float32(0)) * T.float32(1) - (A[i] - A[i]) + (T.float32(0) - A[i]) * T.float32(0)
""",
    "float64-sum": """
def main(A: T.Buffer((30,), "float64"), S: T.Buffer((1,), "float64")):
    S[0] = T.float64(0)
    for i in range(30):
        S[0] = S[0] + A[i] * T.float64(1e-3)
""",
    "mixed-float-widths": """
def main(A: T.Buffer((9,), "float16"), B: T.Buffer((9,), "float32"), C: T.Buffer((9,), "float64")):
    for i in range(9):
        C[i] = T.Cast("float64", A[i]) + T.Cast("float64", B[i] * T.Cast("float32", A[i]))
""",
    "fixed-point": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        B[i] = T.q_multiply_shift(A[i] * 1000, 1518500250, 31, -3)
""",
    "absolute-values": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int64"), C: T.Buffer((9,), "float32")):
    for i in range(9):
        A[i] = T.abs(A[i] - 3)
        B[i] = T.abs(B[i]) - T.int64(1)
        C[i] = T.fabs(C[i]) * T.float32(2)
""",
    "min-max-nested": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32"), C: T.Buffer((9,), "int32")):
    for i in range(9):
        C[i] = T.max(T.min(A[i] + 2, B[i] + 2), T.min(T.max(A[i], B[i]) - 1, 5)) - T.min(i, 4) + T.max(i * 2, 3)
""",
    "ceildiv-and-shift": """
def main(A: T.Buffer((17,), "int32"), B: T.Buffer((17,), "int32")):
    for i in range(17):
        B[i] = T.ceildiv(A[i], 4) + (i >> 1) + (A[i] << 2) // 4 + T.shift_right(i + 8, i % 3)
""",
    "truncated-index": """
def main(A: T.Buffer((24,), "int32"), B: T.Buffer((24,), "int32")):
    for i in range(24):
        B[i] = A[T.truncdiv(i, 6) * 6 + T.truncmod(i, 6)] + A[T.truncmod(23 - i, 24)]
""",
    "scalar-parameters": """
def main(A: T.Buffer((9,), "int32"), n: T.int32, m: T.int64, x: T.float32, flag: T.bool):
    for i in range(9):
        A[i] = T.Select(flag, A[i] * n + T.Cast("int32", m), T.Cast("int32", x) - i)
""",
}
