"""Each condition under which a schedule primitive is known to fail ends at a finding of it."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import te, tirx
from tvm.script import from_source

from harness.case import Case, PrimitiveCall, module_text
from harness.oracles.known_issues import known_issue
from harness.oracles.known_primitives import PRIMITIVES
from harness.oracles.verify import judge
from harness.verdict import Verdict
from seeds import reductions, scheduled
from tests import programs
from tests.harness.oracles.test_schedule import matmul

Call = PrimitiveCall


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


def window() -> Any:
    return from_source("""
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((6,), "float32"), B: T.Buffer((6,), "float32")):
        for i in range(6):
            with T.sblock("B"):
                v = T.axis.spatial(6, i)
                w = T.sblock_alloc_buffer((2,), "float32")
                w[0] = A[v]
                B[v] = w[0] + T.float32(1)
""")


def diagonal() -> Any:
    return from_source("""
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((6, 6), "int32")):
        for i, j in T.grid(6, 6):
            with T.sblock("A"):
                v, w = T.axis.remap("SS", [i, j])
                if v == w:
                    A[v, w] = 0
""")


def from_two() -> Any:
    """The sums of 4 rows of 6 without their first two elements."""
    return from_source("""
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
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
    return from_source("""
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((13,), "float32"), B: T.Buffer((13,), "float32")):
        for i in range(3):
            with T.sblock("B"):
                v = T.axis.spatial(13, i)
                B[v] = A[v] * T.float32(2)
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


def split(block: str, loop: int, *factors: int | None) -> PrimitiveCall:
    return Call("split", ((block, loop), factors, True))


def partition(block: str, loop: int, *factors: int | None) -> PrimitiveCall:
    return Call("loop_partition", ((block, loop), factors, True))


GUARDED = split("D", 0, None, 4)
LOCAL = (0, "local", ())
OUTER = "a_reindex_reindex_o"
MATCHED = (
    Call("reindex", ("C", ("read", 0))),
    Call("tensorize", (("a_reindex_reindex", 1), "copy1_4_float32_float32")),
)
CASES: dict[str, tuple[Any, tuple[PrimitiveCall, ...]]] = {
    "loop_partition:nested-blocks": (
        matmul(4, 4, 4), (Call("blockize", (("C", 1), True)), partition("C_o", 0, 2, None)),
    ),
    "loop_partition:allocations": (window(), (partition("B", 0, 2, None),)),
    "loop_partition:computed-variables": (
        chain(), (split("D", 1, None, 13), partition("D", 2, 2, None)),
    ),
    "loop_partition:reduction": (matmul(3, 6, 3), (partition("C", 2, 4, None),)),
    "loop_partition:starts-elsewhere": (
        chain(), (partition("D", 0, 4, None), partition("D_i1", 0, 2, None)),
    ),
    "undeclared-regions": (
        chain(),
        (
            Call("reindex", ("D", ("read", 0))),
            partition("D", 1, 2, None),
            Call("cache_write", ("B_reindex_reindex", *LOCAL)),
        ),
    ),
    "reversed-axis": (
        chain(), (Call("reindex_cache_write", ("D", 0, "local", "i, j -> 8 - i, j")),),
    ),
    "loop_partition:same-names": (renamed(), (partition("T_1", 0, 2, None),)),
    "merge:dependence": (shifted(), (Call("merge", ((("B", 0), ("C", 0)),)),)),
    "blockize:guarded": (
        chain(), (split("D", 0, None, 16), Call("blockize", (("D", 2), False))),
    ),
    "blockize:guarded-reduction": (
        matmul(7, 5, 6), (split("C", 2, None, 2), Call("blockize", (("C", 2), True))),
    ),
    "blockize:starts-elsewhere": (
        chain(), (partition("D", 0, 4, None), Call("blockize", (("D_i1", 0), True))),
    ),
    "blockize_blocks:other-blocks": (
        scheduled.matmul_relu(),
        (
            Call("compute_at", ("C", ("D", 0), True, -1)),
            Call("reindex_cache_write", ("D", 0, "global", "i, j -> i, j")),
            Call("blockize_blocks", (("D", "D_global"), False)),
        ),
    ),
    "blockize_blocks:unlike-blocks": (
        matmul(4, 4, 4),
        (
            Call("cache_write", ("C", *LOCAL)),
            Call("reverse_compute_at", ("C_local", ("C", 0), True, -1)),
            Call("decompose_reduction", ("C", ("C", 2))),
            Call("blockize_blocks", (("C_init", "C_update"), True)),
        ),
    ),
    "blockize_blocks:reduction": (
        rows(),
        (
            Call("cache_read", ("B", *LOCAL)),
            Call("compute_at", ("A_local", ("B", 0), True, -1)),
            Call("blockize_blocks", (("A_local", "B"), True)),
        ),
    ),
    "read_at:guarded": (chain(), (GUARDED, Call("read_at", (("D", 0), "D", 0, "local")))),
    "write_at:guarded": (chain(), (GUARDED, Call("write_at", (("D", 0), "D", 0, "local")))),
    "read_at:guarded-load": (padded(), (Call("read_at", (("P", 0), "P", 0, "local")),)),
    "read_at:match-buffers": (
        matmul(4, 4, 8), (*MATCHED, Call("read_at", ((OUTER, 0), OUTER, 0, "local"))),
    ),
    "write_at:match-buffers": (
        matmul(4, 4, 8), (*MATCHED, Call("write_at", ((OUTER, 0), OUTER, 0, "local"))),
    ),
    "read_at:symbolic": (
        reductions.symbolic(reductions.symbolic_chain),
        (split("C", 0, 1, None), Call("read_at", (("C", 1), "C", 0, "local"))),
    ),
    "read_at:several-blocks": (
        matmul(4, 4, 4),
        (
            Call("decompose_reduction", ("C", ("C", 2))),
            Call("read_at", (("C_update", 1), "C_update", 0, "local")),
        ),
    ),
    "write_at:several-blocks": (
        chain(),
        (
            Call("compute_at", ("B", ("D", 0), True, -1)),
            Call("write_at", (("D", 0), "B", 0, "local")),
        ),
    ),
    "read_at:nested-blocks": (
        matmul(4, 4, 4),
        (
            Call("blockize", (("C", 1), True)),
            Call("cache_read", ("C", *LOCAL)),
            Call("read_at", (("C", 0), "C", 1, "local")),
        ),
    ),
    "write_at:nested-blocks": (
        matmul(4, 4, 4),
        (Call("blockize", (("C", 1), True)), Call("write_at", (("C", 0), "C", 0, "local"))),
    ),
    "read_at:reduction": (
        rows(),
        (
            Call("decompose_reduction", ("B", ("B", 0))),
            Call("read_at", (("B_update", 1), "B_update", 0, "local")),
        ),
    ),
    "write_at:reduction": (
        matmul(4, 4, 4),
        (
            Call("decompose_reduction", ("C", ("C", 2))),
            Call("write_at", (("C_update", 2), "C_update", 0, "local")),
        ),
    ),
    "reindex:inner-loops": (
        chain(),
        (
            Call("write_at", (("D", 0), "D", 0, "local")),
            Call("reindex", ("D_local", ("read", 0))),
        ),
    ),
    "reindex:guarded-load": (padded(), (Call("reindex", ("P", ("read", 0))),)),
    "reindex:updates": (
        matmul(4, 4, 4),
        (
            Call("decompose_reduction", ("C", ("C", 2))),
            Call("reindex", ("C_update", ("read", 0))),
        ),
    ),
    "reindex:several-blocks": (
        chain(),
        (Call("read_at", (("D", 0), "D", 0, "local")), Call("reindex", ("D", ("write", 0)))),
    ),
    "reindex:several-writers": (
        rows(),
        (
            Call("decompose_reduction", ("B", ("B", 1))),
            Call("reindex", ("B_init", ("write", 0))),
        ),
    ),
    "reindex:partial-domain": (first_three(), (Call("reindex", ("B", ("write", 0))),)),
    "transform_block_layout:partial-domain": (
        first_three(), (Call("transform_block_layout", ("B", "i -> i")),),
    ),
    "reindex:loaded-indices": (taken(), (Call("reindex", ("D", ("read", 0))),)),
    "reindex:guarded-store": (diagonal(), (Call("reindex", ("A", ("write", 0))),)),
    "reindex_cache_write:guarded-store": (
        diagonal(), (Call("reindex_cache_write", ("A", 0, "local", "i, j -> i, j")),),
    ),
    "cache_write:guarded-store": (diagonal(), (Call("cache_write", ("A", *LOCAL)),)),
    "cache_read:match-buffers": (matmul(4, 4, 8), (*MATCHED, Call("cache_read", (OUTER, *LOCAL)))),
    "cache_write:match-buffers": (
        matmul(4, 4, 8), (*MATCHED, Call("cache_write", (OUTER, *LOCAL))),
    ),
    "reindex_cache_read:loaded-indices": (
        taken(), (Call("reindex_cache_read", ("D", 0, "local", "i -> i")),),
    ),
    "reindex_cache_read:guarded-load": (
        padded(), (Call("reindex_cache_read", ("P", 0, "local", "i -> i")),),
    ),
    "reindex_cache_read:guarded": (
        chain(), (GUARDED, Call("reindex_cache_read", ("D", 0, "local", "i, j -> i, j"))),
    ),
    "reindex_cache_write:guarded": (
        chain(), (GUARDED, Call("reindex_cache_write", ("D", 0, "local", "i, j -> i, j"))),
    ),
    "cache_index:guarded": (
        programs.tall(), (split("out", 0, None, 4), Call("cache_index", ("out", "global", 0))),
    ),
    "cache_index:several-variables": (
        programs.tall(), (Call("cache_index", ("out", "global", 0)),),
    ),
    "cache_index:any": (taps(), (Call("cache_index", ("D", "global", 0)),)),
    "cache_index:computed-variables": (
        taps(), (split("D", 0, None, 4), Call("cache_index", ("D", "global", 0))),
    ),
    "cache_index:starts-elsewhere": (
        taps(), (partition("D", 0, 4, None), Call("cache_index", ("D_i1", "global", 0))),
    ),
    "cache_inplace:nested-blocks": (
        matmul(4, 4, 4),
        (Call("blockize", (("C", 1), True)), Call("cache_inplace", ("C", 0, "local"))),
    ),
    "decompose_reduction:guarded": (
        rows(),
        (
            Call("split", (("B", 0), (None, 1, 3), False)),
            Call("decompose_reduction", ("B", ("B", 0))),
        ),
    ),
    "fuse_reduction_epilogue:not-a-bias": (
        scheduled.matmul_relu(), (Call("fuse_reduction_epilogue", ("C", "D")),),
    ),
    "fuse_reduction_epilogue:not-a-sum": (
        largest(), (Call("fuse_reduction_epilogue", ("B", "D")),),
    ),
    "fuse_reduction_epilogue:later-inputs": (
        late_bias(), (Call("fuse_reduction_epilogue", ("B", "D")),),
    ),
    "fuse_reduction_epilogue:other-place": (
        transposed(), (Call("fuse_reduction_epilogue", ("B", "D")),),
    ),
    "rfactor:starts-elsewhere": (from_two(), (Call("rfactor", (("B", 1), 0)),)),
    "rfactor:guarded": (
        matmul(7, 5, 6),
        (split("C", 0, None, 3), split("C", 3, 5, None), Call("rfactor", (("C", 3), 0))),
    ),
    "pad_einsum:inner-loops": (
        chain(),
        (
            Call("read_at", (("D", 1), "D", 0, "global")),
            Call("pad_einsum", ("B_global", (2, 2))),
        ),
    ),
    "pad_einsum:not-an-einsum": (exponentials(), (Call("pad_einsum", ("B", (1, 8))),)),
    "reverse_compute_inline:other-readers": (forked(), (Call("reverse_compute_inline", ("C",)),)),
    "reverse_compute_at:readers-before": (
        three(), (Call("reverse_compute_at", ("B", ("D", 0), True, -1)),),
    ),
}  # fmt: skip


def found(module: Any, trace: tuple[PrimitiveCall, ...]) -> Verdict:
    return judge(Case(module_text(module), trace=trace), native=False).verdict


@pytest.mark.parametrize("name", CASES)
def test_a_known_failure_of_a_primitive_ends_at_it(name: str) -> None:
    verdict = found(*CASES[name])
    assert verdict.is_finding, verdict
    assert verdict.signature.endswith(name), verdict
    issue = known_issue(verdict.kind, verdict.signature)
    assert issue is not None and issue.name == name


def test_each_condition_of_the_table_has_a_case() -> None:
    assert set(CASES) == {name.removeprefix(":") for name, *_ in PRIMITIVES}
