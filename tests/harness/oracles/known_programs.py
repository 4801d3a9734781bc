"""A program for each known issue that can be shown without a crash, and how it shows.

Found in campaigns and in TVM's tracker, reduced by hand; the comment of each names its number.
"""

from __future__ import annotations

from harness.case import Case, module_text
from harness.passes import default_order
from seeds.recipe import from_script

NESTED_BOUNDS = """
def main(A: T.Buffer((8,), "int32")):
    for i in range(3, 5):
        for j in range(1, i + 1):
            A[j] = A[j] + 1
"""
REPEATED_STORE = """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    X = T.alloc_buffer((8,), "float32")
    Y = T.alloc_buffer((8,), "float32")
    for i in range(8):
        X[i] = A[i] + T.float32(1)
    for i in range(8):
        Y[i] = X[i] * T.float32(2) + T.float32(1)
        Y[i] = X[i] * T.float32(2) + T.float32(1)
    for i in range(8):
        B[i] = Y[i]
"""
ALLOCATION_IN_VECTOR_LOOP = """
def main(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")):
    for i in T.vectorized(4):
        X = T.alloc_buffer((1,), "float32")
        X[0] = A[i]
        B[i] = X[0] + T.float32(1)
"""
BFLOAT16_LET = """
def main(A: T.Buffer((4,), "bfloat16"), B: T.Buffer((4,), "float32")):
    for i in range(4):
        v: T.let[T.float32] = T.Cast("float32", A[i])
        B[i] = v * T.float32(2)
"""
ALLOCATION_IN_WHILE = """
def main(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")):
    for k in range(2):
        count = T.alloc_buffer((1,), "int32", scope="local")
        count[0] = 0
        while count[0] < 3:
            count[0] = count[0] + 1
            X = T.alloc_buffer((8,), "float32", scope="local")
            for i in range(8):
                X[i] = A[i % 4] + T.float32(1)
            for i in range(4):
                B[i] = X[i] + B[i]
"""
SCALE_OVERFLOW = """
def main(A: T.Buffer((8,), "int32")):
    for i in range(8):
        A[i] = (i - i // 4 * 4) * 600000000
"""
DOUBLE_BUFFER = """
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4,), "float32")):
    for i in range(4):
        c = T.alloc_buffer((8,), "float32")
        T.attr(c.data, "double_buffer_scope", 1)
        for j in range(8):
            c[j] = A[i, j]
        B[i] = 0.0
        for j in range(8):
            B[i] = B[i] + c[j]
"""
SUB_WORD_SHIFT = """
def main(A: T.Buffer((8,), "uint8"), B: T.Buffer((8,), "uint8")):
    for i in range(8):
        B[i] = T.shift_right(T.shift_left(A[i], T.uint8(4)), T.uint8(4))
"""
SHIFTED_MODULUS = """
def main(A: T.Buffer((2, 3), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(8):
        B[i] = A[1, (i % 4 + 1) // 2]
"""
STEPPED_BOUNDS = """
def main(A: T.Buffer((8,), "int32")):
    for j in range(0, 3, 2):
        for i in range(j, j + 1):
            A[i] = A[i] + 1
"""
REVERSED_QUOTIENT = """
def main(A: T.Buffer((2, 8), "int32"), B: T.Buffer((2, 6), "int32")):
    for i in range(2):
        A[0, i] = B[1, (1 - i) // 2]
"""
REVERSED_MODULUS = """
def main(A: T.Buffer((2, 8), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(8):
        B[i] = A[1, (6 - i) % 8]
"""
FLOAT_DIVISION = """
def main(A: T.Buffer((4,), "float32")):
    for i in range(4):
        A[i] = T.Div(A[i], T.float32(0))
"""
CAST_TO_BOOL = """
def main(A: T.Buffer((4,), "bool")):
    for i in range(4):
        A[i] = T.Cast("bool", 5)
"""
COMPARED_BOOLS = """
def main(A: T.Buffer((4,), "bool"), B: T.Buffer((4,), "bool")):
    for i in range(4):
        A[i] = A[i] == B[i]
"""
UNSIGNED_CONSTANTS = """
def main(A: T.Buffer((4,), "int32")):
    for i in range(4):
        A[i] = T.Select(T.LT(T.uint32(0), T.uint32(7)), A[i], 1)
"""

# (the known issue, the program, the target, the input seed)
BOOL_EXTREME = """
def main(A: T.Buffer((8,), "bool"), B: T.Buffer((8,), "bool")):
    for i in range(8):
        B[i] = T.max(A[i], B[i])
"""
ASSERTION_IN_FUNCTION = """
def main(A: T.Buffer((8,), "int32")):
    Module.add(A.data, 3)
def add(a: T.handle("int32"), n: T.int32):
    A = T.decl_buffer((8,), "int32", data=a)
    assert n < 5, "too many"
    A[n] = n
"""
FLOAT8_BINDING = """
def main(A: T.Buffer((4,), "float8_e4m3fn"), B: T.Buffer((4,), "float8_e4m3fn")):
    for i in range(4):
        v: T.let[T.float8_e4m3fn] = A[i]
        B[i] = v
"""
ALIGNED_UNREAD = """
def main(A: T.Buffer((8,), "float32")):
    with T.sblock("root"):
        X = T.sblock_alloc_buffer((8,), "float32")
        for i in range(8):
            with T.sblock("X"):
                v = T.axis.spatial(8, i)
                T.sblock_attr({"buffer_dim_align": [[0, 0, 32, 8]]})
                X[v] = A[v]
"""

PROGRAMS: tuple[tuple[str, str, str, int], ...] = (
    ("nested-bounds", NESTED_BOUNDS, "llvm", 0),
    ("nested-bounds", STEPPED_BOUNDS, "llvm", 0),
    ("repeated-store", REPEATED_STORE, "llvm", 0),  # apache/tvm#759
    ("allocation-in-vector-loop", ALLOCATION_IN_VECTOR_LOOP, "llvm", 0),
    ("bfloat16-let", BFLOAT16_LET, "llvm", 0),  # tile-ai/tvm#70
    ("allocation-in-while", ALLOCATION_IN_WHILE, "llvm", 0),
    ("literal-out-of-range", SCALE_OVERFLOW, "llvm", 0),  # tile-ai/tilelang#3027
    ("double-buffer-of-compacted", DOUBLE_BUFFER, "llvm", 0),  # apache/tvm#20418
    ("reversed-modulus", REVERSED_MODULUS, "llvm", 0),
    ("reversed-modulus", REVERSED_QUOTIENT, "llvm", 0),
    ("sub-word-promotion", SUB_WORD_SHIFT, "c", 1),  # tile-ai/tilelang#2961
    ("shifted-modulus", SHIFTED_MODULUS, "llvm", 0),  # apache/tvm#20169
    ("float-division-by-zero", FLOAT_DIVISION, "llvm", 0),  # apache/tvm#13348
    ("cast-to-bool", CAST_TO_BOOL, "llvm", 0),
    ("comparison-of-bools", COMPARED_BOOLS, "llvm", 0),
    ("arithmetic-of-bools", BOOL_EXTREME, "llvm", 0),  # apache/tvm#20399 is of quotients
    ("assertion-in-function", ASSERTION_IN_FUNCTION, "llvm", 0),
    ("float8-binding", FLOAT8_BINDING, "llvm", 0),
    ("alignment-of-unread", ALIGNED_UNREAD, "llvm", 0),
    ("negative-unsigned-difference", UNSIGNED_CONSTANTS, "llvm", 0),  # apache/tvm#10484
)


def case_of(script: str, target: str, input_seed: int) -> Case:
    """The case of a program in TVM's default order."""
    text = module_text(from_script(script))
    order = tuple(default_order(target))
    return Case(text, passes=order, target=target, input_seed=input_seed)
