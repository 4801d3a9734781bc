"""A case for each condition on which a primitive is known to fail, by the condition's name."""

from __future__ import annotations

from typing import Any

from harness.case import PrimitiveCall
from seeds import reductions, scheduled
from tests import programs
from tests.harness.oracles.primitive_programs import (
    chain,
    diagonal,
    evaluated,
    exponentials,
    first_five,
    first_of_nine,
    first_three,
    first_three_of,
    forked,
    from_three,
    from_two,
    halved,
    largest,
    late_bias,
    over_declared,
    padded,
    padded_product,
    pooled,
    read_then_written,
    renamed,
    rows,
    running,
    shifted,
    some_products,
    summed_from_second,
    summed_thrice,
    taken,
    taps,
    three,
    tiled,
    transposed,
    wide,
    window,
    with_transposed,
)
from tests.harness.oracles.test_schedule import matmul

Call = PrimitiveCall


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
BLOCKIZED = (split("D", 1, None, 1), Call("blockize", (("D", 2), True)))
WRITTEN_AT = (Call("write_at", (("D", 1), "D", 0, "global")), split("D", 1, None, 4))
CASES: dict[str, tuple[Any, tuple[PrimitiveCall, ...]]] = {
    "loop_partition:nested-blocks": (
        matmul(4, 4, 4), (Call("blockize", (("C", 1), True)), partition("C_o", 0, 2, None)),
    ),
    "loop_partition:allocations": (window(), (partition("B", 0, 2, None),)),
    "loop_partition:computed-variables": (
        chain(), (split("D", 1, None, 13), partition("D", 2, 2, None)),
    ),
    "loop_partition:definitions": (halved(), (partition("A", 0, 2, None),)),
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
    "blockize:part-of-fused": (
        rows(),
        (
            Call("fuse", ((("B", 0), ("B", 1)), True)),
            Call("decompose_reduction", ("B", ("B", 0))),
            split("B_init", 0, None, 4),
            Call("blockize", (("B_init", 1), True)),
        ),
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
    "write_at:updates": (halved(), (Call("write_at", (("A", 0), "A", 0, "local")),)),
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
    "write_at:guarded-store": (
        over_declared(), (Call("write_at", (("B", 0), "B", 0, "local")),),
    ),
    "reverse_compute_at:partial-domain": (
        first_three_of(), (Call("reverse_compute_at", ("D", ("B", 0), False, -1)),),
    ),
    "dlight:partial-domain": (first_three(), (Call("dlight", ("Fallback", "rocm")),)),
    "pad_einsum:partial-domain": (
        some_products(), (Call("pad_einsum", ("C", (4, 4, 4))),),
    ),
    "reindex:loaded-indices": (taken(), (Call("reindex", ("D", ("read", 0))),)),
    "reindex:guarded-store": (diagonal(), (Call("reindex", ("A", ("write", 0))),)),
    "reindex_cache_write:guarded-store": (
        diagonal(), (Call("reindex_cache_write", ("A", 0, "local", "i, j -> i, j")),),
    ),
    "cache_read:nested-blocks": (pooled(), (Call("cache_read", ("pool", *LOCAL)),)),
    "cache_write:guarded-fusion": (
        chain(),
        (
            Call("fuse", ((("D", 0), ("D", 1)), True)),
            split("D", 0, None, 256),
            Call("cache_write", ("D", *LOCAL)),
        ),
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
    "cache_index:one-variable": (taps(), (Call("cache_index", ("D", "global", 0)),)),
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
    "compute_at:tensorized": (
        chain(),
        (
            Call("cache_read", ("D", 0, "global", ())),
            Call("tensorize", (("B_global", 0), "copy2_9x13_float32_float32")),
            Call("compute_at", ("B_global_o", ("D", 0), True, -1)),
        ),
    ),
    "transform_block_layout:guarded": (
        first_of_nine(), (Call("transform_block_layout", ("B", "i -> i")),),
    ),
    "dlight:guarded": (first_of_nine(), (Call("dlight", ("Fallback", "webgpu")),)),
    "dlight:no-writes": (
        evaluated(), (Call("dlight", ("adreno.Fallback", "qcom/adreno-opencl")),),
    ),
    "read_at:wide-regions": (wide(), (Call("read_at", (("B", 0), "B", 0, "local")),)),
    "write_at:wide-regions": (wide(), (Call("write_at", (("B", 0), "B", 0, "local")),)),
    "reverse_compute_at:guarded-load": (
        padded_product(), (Call("reverse_compute_at", ("P", ("B", 0), True, -1)),),
    ),
    "reverse_compute_at:readers-before": (
        three(), (Call("reverse_compute_at", ("B", ("D", 0), True, -1)),),
    ),
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
