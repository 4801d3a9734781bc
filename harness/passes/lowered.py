"""Catalogue, second part: passes on loops and buffers, after blocks are lowered."""

from __future__ import annotations

from harness.passes.pass_info import ArgRange
from harness.passes.rows import (
    BOOLEANS,
    CODE,
    HIGH_LEVEL,
    LOW_LEVEL,
    ORDER,
    SCALAR,
    SERIAL,
    SIMPLIFIABLE,
    SIMPLIFY,
    UNIQUE,
    config,
    row,
)
from harness.passes.state import State as S

LOWERED = (
    row(
        "tirx.FlattenBuffer",
        LOW_LEVEL | {S.SCALAR_LOOPS, S.UNIQUE_DEFINITIONS},
        "flatten_buffer.cc: ICHECK that no match is left; before VectorizeLoop, " + ORDER,
        gives={S.FLAT_BUFFERS},
        destroys={S.STRUCTURED, S.BLOCK_VARIABLES, S.MATCH_REGIONS},
    ),
    row(
        "tirx.BF16ComputeLegalize",
        LOW_LEVEL | {S.UNIQUE_DEFINITIONS},
        "unsupported_dtype_legalize.cc: computes in float32 and casts back",
        gives={S.NO_BF16_COMPUTE},
    ),
    row(
        "tirx.FP8ComputeLegalize",
        LOW_LEVEL,
        "unsupported_dtype_legalize.cc: computes in float32 and casts back; float16 would change "
        "results",
        gives={S.NO_FP8_COMPUTE},
        args=(ArgRange("promote_dtype", ("float32",)),),
    ),
    row(
        "tirx.NarrowDataType",
        SCALAR,
        "narrow_datatype.cc rewrites scalar indices; between FlattenBuffer and VectorizeLoop, "
        + ORDER,
        args=(ArgRange("target_bits", (32, 64), required=True),),
    ),
    row(
        "tirx.ForceNarrowIndexToInt32",
        HIGH_LEVEL | {S.NARROW_INTEGERS, S.SCALAR_LOOPS},
        "force_narrow_index_to_i32.cc: throws for 64-bit buffers, narrows all else without a check",
    ),
    row(
        "s_tir.LoopPartition",
        SCALAR,
        "loop_partition.cc: also takes the likely marks away; before VectorizeLoop, " + ORDER,
        gives={S.NO_LIKELY},
        args=(
            config(
                "s_tir.LoopPartition",
                partition_const_loop=BOOLEANS,
                no_unroll_loop_with_extent_one=BOOLEANS,
                unroll_loop_with_partition_hint_no_interval=BOOLEANS,
            ),
        ),
    ),
    row(
        "tirx.VectorizeLoop",
        UNIQUE | {S.NO_LIKELY},
        "vectorize_loop.cc: ICHECK that the loop starts at zero; indices become ramps, so buffers "
        "must be flat",
        gives={S.NO_VECTOR_LOOPS},
        destroys={S.SCALAR_LOOPS},
        args=(ArgRange("enable_vectorize", BOOLEANS),),
    ),
    row(
        "s_tir.InjectVirtualThread",
        UNIQUE | {S.NO_VECTOR_LOOPS, S.SEPARATE_STORAGE},
        "inject_virtual_thread.cc: ICHECKs for flat buffers and loops from zero; " + ORDER,
        gives={S.NO_VIRTUAL_THREADS},
    ),
    row(
        "s_tir.InjectDoubleBuffer",
        SERIAL | {S.SEPARATE_STORAGE, S.UNIQUE_DEFINITIONS},
        "inject_double_buffer.cc: ICHECKs for flat buffers; before StorageRewrite, " + ORDER,
        args=(config("s_tir.InjectDoubleBuffer", split_loop=(0, 1, 2, 4)),),
    ),
    row(
        "tirx.StorageRewrite",
        SERIAL | {S.SEPARATE_STORAGE, S.UNIQUE_DEFINITIONS},
        "storage_rewrite.cc: ICHECK that vectorized loops are gone; merges allocations, for which "
        "no pipeline runs it twice",
        destroys={S.SEPARATE_STORAGE, S.SCALAR_LOOPS},
    ),
    row(
        "s_tir.HoistIfThenElse",
        LOW_LEVEL | {S.UNIQUE_DEFINITIONS},
        "hoist_expression.cc: a sequence of s_tir.InsertHoistIfThenElse, StmtSimplify, RemoveNoOp",
        args=(
            ArgRange("variant", (None, "basic")),
            config("s_tir.HoistIfThenElse", support_block_scope_hoisting=BOOLEANS),
        ),
    ),
    row(
        "s_tir.HoistExpression",
        LOW_LEVEL | {S.UNIQUE_DEFINITIONS},
        "hoist_expression.cc: like HoistIfThenElse, for lets as well",
        args=(
            config(
                "s_tir.HoistExpression",
                hoisted_conditionals=tuple(range(8)),
                hoisted_let_bindings=tuple(range(8)),
            ),
        ),
    ),
    row(
        "tirx.UnrollLoop",
        LOW_LEVEL,
        "unroll_loop.cc: copies bodies with their definitions; " + ORDER,
        destroys={S.UNIQUE_DEFINITIONS},
        args=(
            config(
                "tirx.UnrollLoop",
                auto_max_step=(0, 1, 4, 16, 64),
                auto_max_depth=(0, 1, 2, 8),
                auto_max_extent=(0, 1, 4, 16),
                explicit_unroll=(0, 1),
                unroll_local_access=(0, 1),
            ),
        ),
    ),
    row("s_tir.RenormalizeSplitPattern", LOW_LEVEL, "rewrites expressions only"),
    row(
        "tirx.StmtSimplify",
        SIMPLIFIABLE,
        "run at four places of TVM's pipelines",
        args=(SIMPLIFY,),
    ),
    row(
        "tirx.RemoveNoOp",
        LOW_LEVEL,
        "remove_no_op.cc; its limit of simplification steps is left alone, as it throws by design; "
        + ORDER,
    ),
    row(
        "s_tir.RewriteUnsafeSelect",
        LOW_LEVEL,
        "rewrite_unsafe_select.cc: selects that guard memory accesses become conditionals",
        gives={S.SAFE_SELECTS},
    ),
    row("tirx.CommonSubexprElim", LOW_LEVEL, "common_subexpr_elim.cc: binds pure expressions"),
    row(
        "tirx.ConvertSSA",
        SIMPLIFIABLE,
        "ir_utils.cc: de-duplicates definitions",
        gives={S.UNIQUE_DEFINITIONS},
    ),
    row("tirx.SkipAssert", LOW_LEVEL, "skip_assert.cc: assertions hold in valid programs"),
    row("tirx.RemoveAssume", LOW_LEVEL, "remove_assume.cc: assumptions hold in valid programs"),
    row(
        "s_tir.RemoveStoreUndef",
        LOW_LEVEL,
        "remove_store_undef.cc: keeps the element's old value, one of the values allowed",
    ),
    row(
        "s_tir.InstrumentBoundCheckers",
        CODE | {S.NOT_INSTRUMENTED},
        "bound_checker.cc: guards stores by assertions, which hold in valid programs; " + ORDER,
        destroys={S.NOT_INSTRUMENTED, S.NARROW_INTEGERS},
    ),
    row("tirx.InlinePrivateFunctions", HIGH_LEVEL, "inline_private_functions.cc picks what it can"),
    row("s_tir.InjectPTXLDG32", CODE, "inject_ptx_ldg32.cc: for CUDA only; " + ORDER),
    row(
        "s_tir.LowerAsyncDMA", SERIAL, "lower_async_dma.cc: for asynchronous scopes only; " + ORDER
    ),
    row("s_tir.VerifyVTCMLimit", SERIAL, "checks scratchpad memory only; " + ORDER),
    row("s_tir.LowerVtcmAlloc", SERIAL, "lowers scratchpad memory only; " + ORDER),
    row("tirx.VerifyMemory", SERIAL, "checks accelerator memory only; " + ORDER),
    row(
        "s_tir.ThreadSync",
        SERIAL,
        ORDER,
        args=(ArgRange("storage_scope", ("shared", "shared.dyn", "warp"), required=True),),
    ),
    row("s_tir.InferFragment", SERIAL, ORDER),
    row("s_tir.InjectPTXAsyncCopy", SERIAL, "for CUDA's asynchronous copies only; " + ORDER),
    row("s_tir.MergeSharedMemoryAllocations", SERIAL, ORDER),
)
