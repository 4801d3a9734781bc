"""More programs and traces for test_known_primitives.py, shortened from random traces."""

from __future__ import annotations

from typing import Any

from tvm import te
from tvm.script import from_source

from harness.case import PrimitiveCall
from tests.harness.oracles.primitive_programs import chain, function, rows
from tests.harness.oracles.test_schedule import matmul

Call = PrimitiveCall
LOCAL = (0, "local", ())


def script(body: str) -> Any:
    """A module of one function, whose text begins in the first column."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return from_source(f"@I.ir_module\nclass Module:\n    @T.prim_func(s_tir=True)\n{lines}")


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


def split(block: str, loop: int, *factors: int | None) -> PrimitiveCall:
    return Call("split", ((block, loop), factors, True))


BLOCKIZED = (split("D", 1, None, 1), Call("blockize", (("D", 2), True)))
WRITTEN_AT = (Call("write_at", (("D", 1), "D", 0, "global")), split("D", 1, None, 4))
MORE_CASES: dict[str, tuple[Any, tuple[PrimitiveCall, ...]]] = {
    "loop_partition:several-places": (
        with_transposed(), (Call("loop_partition", (("D", 0), (2, None), True)),),
    ),
    "reorder:fused-reduction": (
        rows(),
        (
            Call("fuse", ((("B", 0), ("B", 1)), True)),
            split("B", 0, None, 4),
            Call("reorder", ((("B", 1), ("B", 0)),)),
        ),
    ),
    "rfactor:unused-loop": (summed_thrice(), (Call("rfactor", (("B", 0), 0)),)),
    "reverse_compute_at:guarded": (
        first_five(), (Call("reverse_compute_at", ("B", ("X", 0), True, -1)),),
    ),
    "reverse_compute_inline:inner-loops": (
        tiled(),
        (Call("read_at", (("D", 0), "D", 0, "global")), Call("reverse_compute_inline", ("D",))),
    ),
    "blockize_blocks:guarded": (
        chain(),
        (
            Call("split", (("D", 1), (None, 2, 1), False)),
            Call("blockize_blocks", (("B", "D"), True)),
        ),
    ),
    "blockize_blocks:inner-loops": (
        chain(),
        (
            Call("write_at", (("D", 1), "D", 0, "local")),
            Call("blockize_blocks", (("D", "D_local"), True)),
        ),
    ),
    "pad_einsum:several-blocks": (
        matmul(4, 4, 4),
        (
            Call("cache_read", ("C", *LOCAL)),
            Call("compute_at", ("a_local", ("C", 2), True, -1)),
            Call("pad_einsum", ("C", (3, 3, 1))),
        ),
    ),
    "decompose_reduction:unused-loop": (
        summed_thrice(), (Call("decompose_reduction", ("B", ("B", 0))),),
    ),
    "decompose_reduction:partial-domain": (
        summed_from_second(), (Call("decompose_reduction", ("B", ("B", 1))),),
    ),
    "cache_read:guarded": (
        chain(), (*WRITTEN_AT, Call("cache_read", ("D_global", 0, "global", ()))),
    ),
    "cache_write:guarded": (chain(), (*WRITTEN_AT, Call("cache_write", ("D", *LOCAL)))),
    "cache_read:guarded-fusion": (
        chain(),
        (
            Call("fuse", ((("B", 0), ("B", 1)), True)),
            split("B", 0, None, 256),
            Call("cache_read", ("D", *LOCAL)),
        ),
    ),
    "cache_read:written-later": (read_then_written(), (Call("cache_read", ("X", *LOCAL)),)),
    "cache_read:nested-consumers": (
        chain(),
        (
            Call("blockize", (("B", 0), True)),
            Call("cache_read", ("B_o", 0, "local", ("B",))),
        ),
    ),
    "reindex_cache_write:updates": (
        running(),
        (
            Call("blockize", (("S", 0), False)),
            Call("reindex_cache_write", ("S", 0, "local", "i -> i")),
        ),
    ),
    "reindex_cache_read:starts-elsewhere": (
        from_three(), (Call("reindex_cache_read", ("B", 0, "local", "i -> i")),),
    ),
    "reindex_cache_write:starts-elsewhere": (
        from_three(), (Call("reindex_cache_write", ("B", 0, "local", "i -> i")),),
    ),
    "reindex_cache_read:inner-loops": (
        chain(),
        (*BLOCKIZED, Call("reindex_cache_read", ("D_o", 0, "local", "i, j -> i, j"))),
    ),
    "cache_inplace:inner-blocks": (
        chain(),
        (
            Call("compute_at", ("B", ("D", 0), True, -1)),
            Call("blockize_blocks", (("B", "D"), True)),
            Call("cache_inplace", ("outer_B_D_", 0, "local")),
        ),
    ),
}  # fmt: skip
