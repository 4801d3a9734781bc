"""The catalogue: every pass on TIR that can be constructed, with what it needs, gives and destroys.

The rule: a pass is legal only where TVM would be to blame if it failed on a valid program. Where a
pass states its precondition, the row repeats it; where it doesn't, the row asks for what the
default pipelines (`tvm.s_tir.pipeline`, `tvm.tirx.compilation_pipeline`) have established by the
place where they run it. Each row's `source` says which; paths are below TVM's `src/`.
"""

from __future__ import annotations

from collections.abc import Iterable

import tvm

from harness import compat
from harness.passes.entry import ArgRange, PassInfo
from harness.passes.state import State as S

__all__ = ["CATALOGUE", "ArgRange", "PassInfo"]

# Nothing comes before CanonicalizeLoop in the default pipeline: later passes may take loops to
# start at zero with step one. None but the last passes handles the packed calling convention.
HIGH_LEVEL = frozenset({S.CANONICAL_LOOPS, S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE})
STRUCTURED = HIGH_LEVEL | {S.STRUCTURED, S.UNIQUE_DEFINITIONS}
OPAQUE = STRUCTURED | {S.NO_INIT, S.OPAQUE_BLOCKS}
LOW_LEVEL = HIGH_LEVEL | {S.NO_BLOCKS}
FLAT = LOW_LEVEL | {S.FLAT_BUFFERS}
# Before UnrollLoop in the default pipeline; unrolling repeats the definitions in a loop's body.
UNIQUE = FLAT | {S.UNIQUE_DEFINITIONS}
SCALAR = UNIQUE | {S.SCALAR_LOOPS}
SERIAL = FLAT | {S.NO_LIKELY, S.NO_VECTOR_LOOPS, S.NO_VIRTUAL_THREADS}
CODE = SERIAL | {S.NO_BF16_COMPUTE, S.NO_FP8_COMPUTE, S.SAFE_SELECTS}
ORDER = "order in default_s_tir_pipeline"
BOOLEANS = (False, True)


def _config(key: str, **fields: tuple[bool | int, ...]) -> ArgRange:
    return ArgRange("config", config=key, fields=tuple(fields.items()))


def _never(name: str, why: str) -> PassInfo:
    return PassInfo(name, frozenset({S.NEVER}), never=why, source=why, optional=False)


def _row(
    name: str,
    needs: Iterable[S],
    source: str,
    *,
    gives: Iterable[S] = (),
    destroys: Iterable[S] = (),
    args: tuple[ArgRange, ...] = (),
    optional: bool = True,
    preserves: bool = True,
) -> PassInfo:
    return PassInfo(
        name,
        frozenset(needs),
        frozenset(gives),
        frozenset(destroys),
        args,
        preserves,
        source,
        optional=optional,
    )


# 0.26 has one StmtSimplify and ConvertSSA, for blocks too; 0.27 has others in s_tir for those.
ON_BLOCKS_IN_0_26 = HIGH_LEVEL if compat.VERSION < (0, 27) else LOW_LEVEL
SIMPLIFY = _config(
    "tirx.StmtSimplify",
    transitively_prove_inequalities=BOOLEANS,
    convert_boolean_to_and_of_ors=BOOLEANS,
    apply_constraints_to_boolean_branches=BOOLEANS,
)

ON_BLOCKS = (
    _row(
        "s_tir.CanonicalizeLoop",
        {S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE},
        "s_tir/transform/canonicalize_loop.cc: all loops to start from zero and step one; "
        "first in default_s_tir_pipeline",
        gives={S.CANONICAL_LOOPS},
    ),
    _row("s_tir.LowerCrossThreadReduction", STRUCTURED | {S.BLOCK_VARIABLES}, ORDER),
    _row(
        "s_tir.LowerInitBlock",
        STRUCTURED,
        "s_tir/transform/lower_init_block.cc: makes init statements conditional ones",
        gives={S.NO_INIT},
    ),
    _row(
        "s_tir.PlanAndUpdateBufferAllocationLocation",
        STRUCTURED | {S.NO_INIT, S.BLOCK_VARIABLES},
        "plan_update_buffer_allocation_location.cc: ICHECK that no block has an init; it keeps "
        "allocations out of reduction loops, which it knows by the block variables",
    ),
    _row(
        "s_tir.ConvertBlocksToOpaque",
        STRUCTURED | {S.NO_INIT},
        "convert_blocks_to_opaque.cc: ICHECK that no block has an init; substitutes block variables",
        gives={S.OPAQUE_BLOCKS},
        destroys={S.BLOCK_VARIABLES},
    ),
    _row("s_tir.LiftThreadBinding", OPAQUE, ORDER),
    _row("s_tir.ManifestSharedMemoryLocalStage", OPAQUE, ORDER),
    _row(
        "s_tir.CompactBufferAllocation",
        OPAQUE | {S.MATCH_REGIONS},
        "compact_buffer_region.cc: ICHECKs for opaque blocks without init; before LowerMatchBuffer, "
        "as it rewrites regions but not offsets",
        args=(ArgRange("is_strict", BOOLEANS),),
    ),
    _row("s_tir.LowerAutoCopy", OPAQUE | {S.MATCH_REGIONS}, ORDER),
    _row("s_tir.UnifyThreadBinding", STRUCTURED, ORDER + " and default_tir_pipeline"),
    _row(
        "s_tir.LowerMatchBuffer",
        OPAQUE,
        ORDER,
        gives={S.NO_MATCH_BUFFERS},
        destroys={S.MATCH_REGIONS},
    ),
    _row("s_tir.InjectPermutedLayout", OPAQUE | {S.NO_MATCH_BUFFERS}, ORDER),
    _row(
        "s_tir.AnnotateIrregularLoop",
        STRUCTURED,
        "annotate_irregular_loop.cc: ICHECK that loops around break or continue are serial; " + ORDER,
        gives={S.MARKED_JUMPS},
    ),
    _row("s_tir.InjectSoftwarePipeline", OPAQUE | {S.NO_MATCH_BUFFERS}, ORDER),
    _row("s_tir.TransformMmaBufferLayout", OPAQUE | {S.NO_MATCH_BUFFERS}, ORDER),
    _row(
        "s_tir.UseAssumeToReduceBranches",
        STRUCTURED,
        "using_assume_to_reduce_branches.cc: relies on assumptions, which hold in valid programs",
    ),
    _row(
        "s_tir.LowerOpaqueBlock",
        OPAQUE | {S.NO_MATCH_BUFFERS, S.MARKED_JUMPS},
        "lower_opaque_block.cc: ICHECK that blocks are opaque; drops matches, and loops of extent "
        "one unless they are marked",
        gives={S.NO_BLOCKS},
        destroys={S.STRUCTURED, S.BLOCK_VARIABLES, S.MATCH_REGIONS},
    ),
    _row("s_tir.StmtSimplify", HIGH_LEVEL, "its docstring: simplifies schedulable TIR", args=(SIMPLIFY,)),
    _row(
        "s_tir.ConvertSSA",
        HIGH_LEVEL,
        "its docstring: de-duplicates definitions, of blocks too",
        gives={S.UNIQUE_DEFINITIONS},
    ),
)

WITHOUT_BLOCKS = (
    _row(
        "tirx.FlattenBuffer",
        LOW_LEVEL | {S.SCALAR_LOOPS, S.UNIQUE_DEFINITIONS},
        "flatten_buffer.cc: ICHECK that no match is left; before VectorizeLoop, " + ORDER,
        gives={S.FLAT_BUFFERS},
        destroys={S.STRUCTURED, S.BLOCK_VARIABLES, S.MATCH_REGIONS},
    ),
    _row(
        "tirx.BF16ComputeLegalize",
        LOW_LEVEL | {S.UNIQUE_DEFINITIONS},
        "unsupported_dtype_legalize.cc: computes in float32 and casts back",
        gives={S.NO_BF16_COMPUTE},
    ),
    _row(
        "tirx.FP8ComputeLegalize",
        LOW_LEVEL,
        "unsupported_dtype_legalize.cc: computes in float32 and casts back; float16 would change "
        "results",
        gives={S.NO_FP8_COMPUTE},
        args=(ArgRange("promote_dtype", ("float32",)),),
    ),
    _row(
        "tirx.NarrowDataType",
        SCALAR,
        "narrow_datatype.cc rewrites scalar indices; between FlattenBuffer and VectorizeLoop, " + ORDER,
        args=(ArgRange("target_bits", (32, 64), required=True),),
    ),
    _row(
        "tirx.ForceNarrowIndexToInt32",
        HIGH_LEVEL | {S.NARROW_INTEGERS, S.SCALAR_LOOPS},
        "force_narrow_index_to_i32.cc: throws for 64-bit buffers, narrows all else without a check",
    ),
    _row(
        "s_tir.LoopPartition",
        SCALAR,
        "loop_partition.cc: also takes the likely marks away; before VectorizeLoop, " + ORDER,
        gives={S.NO_LIKELY},
        args=(
            _config(
                "s_tir.LoopPartition",
                partition_const_loop=BOOLEANS,
                no_unroll_loop_with_extent_one=BOOLEANS,
                unroll_loop_with_partition_hint_no_interval=BOOLEANS,
            ),
        ),
    ),
    _row(
        "tirx.VectorizeLoop",
        UNIQUE | {S.NO_LIKELY},
        "vectorize_loop.cc: ICHECK that the loop starts at zero; indices become ramps, so buffers "
        "must be flat",
        gives={S.NO_VECTOR_LOOPS},
        destroys={S.SCALAR_LOOPS},
        args=(ArgRange("enable_vectorize", BOOLEANS),),
    ),
    _row(
        "s_tir.InjectVirtualThread",
        UNIQUE | {S.NO_VECTOR_LOOPS, S.SEPARATE_STORAGE},
        "inject_virtual_thread.cc: ICHECKs for flat buffers and loops from zero; " + ORDER,
        gives={S.NO_VIRTUAL_THREADS},
    ),
    _row(
        "s_tir.InjectDoubleBuffer",
        SERIAL | {S.SEPARATE_STORAGE, S.UNIQUE_DEFINITIONS},
        "inject_double_buffer.cc: ICHECKs for flat buffers; before StorageRewrite, " + ORDER,
        args=(_config("s_tir.InjectDoubleBuffer", split_loop=(0, 1, 2, 4)),),
    ),
    _row(
        "tirx.StorageRewrite",
        SERIAL | {S.SEPARATE_STORAGE, S.UNIQUE_DEFINITIONS},
        "storage_rewrite.cc: ICHECK that vectorized loops are gone; merges allocations, for which "
        "no pipeline runs it twice",
        destroys={S.SEPARATE_STORAGE, S.SCALAR_LOOPS},
    ),
    _row(
        "s_tir.HoistIfThenElse",
        LOW_LEVEL | {S.UNIQUE_DEFINITIONS},
        "hoist_expression.cc: a sequence of s_tir.InsertHoistIfThenElse, StmtSimplify, RemoveNoOp",
        args=(
            ArgRange("variant", (None, "basic")),
            _config("s_tir.HoistIfThenElse", support_block_scope_hoisting=BOOLEANS),
        ),
    ),
    _row(
        "s_tir.HoistExpression",
        LOW_LEVEL | {S.UNIQUE_DEFINITIONS},
        "hoist_expression.cc: like HoistIfThenElse, for lets as well",
        args=(
            _config(
                "s_tir.HoistExpression",
                hoisted_conditionals=tuple(range(8)),
                hoisted_let_bindings=tuple(range(8)),
            ),
        ),
    ),
    _row(
        "tirx.UnrollLoop",
        LOW_LEVEL,
        "unroll_loop.cc: copies bodies with their definitions; " + ORDER,
        destroys={S.UNIQUE_DEFINITIONS},
        args=(
            _config(
                "tirx.UnrollLoop",
                auto_max_step=(0, 1, 4, 16, 64),
                auto_max_depth=(0, 1, 2, 8),
                auto_max_extent=(0, 1, 4, 16),
                explicit_unroll=(0, 1),
                unroll_local_access=(0, 1),
            ),
        ),
    ),
    _row("s_tir.RenormalizeSplitPattern", LOW_LEVEL, "rewrites expressions only"),
    _row("tirx.StmtSimplify", ON_BLOCKS_IN_0_26, "run at four places of TVM's pipelines", args=(SIMPLIFY,)),
    _row(
        "tirx.RemoveNoOp",
        LOW_LEVEL,
        "remove_no_op.cc; its limit of simplification steps is left alone, as it throws by design; "
        + ORDER,
    ),
    _row(
        "s_tir.RewriteUnsafeSelect",
        LOW_LEVEL,
        "rewrite_unsafe_select.cc: selects that guard memory accesses become conditionals",
        gives={S.SAFE_SELECTS},
    ),
    _row("tirx.CommonSubexprElim", LOW_LEVEL, "common_subexpr_elim.cc: binds pure expressions"),
    _row(
        "tirx.ConvertSSA",
        ON_BLOCKS_IN_0_26,
        "ir_utils.cc: de-duplicates definitions",
        gives={S.UNIQUE_DEFINITIONS},
    ),
    _row("tirx.SkipAssert", LOW_LEVEL, "skip_assert.cc: assertions hold in valid programs"),
    _row("tirx.RemoveAssume", LOW_LEVEL, "remove_assume.cc: assumptions hold in valid programs"),
    _row(
        "s_tir.RemoveStoreUndef",
        LOW_LEVEL,
        "remove_store_undef.cc: keeps the element's old value, one of the values allowed",
    ),
    _row(
        "s_tir.InstrumentBoundCheckers",
        CODE | {S.NOT_INSTRUMENTED},
        "bound_checker.cc: guards stores by assertions, which hold in valid programs; " + ORDER,
        destroys={S.NOT_INSTRUMENTED, S.NARROW_INTEGERS},
    ),
    _row("tirx.InlinePrivateFunctions", HIGH_LEVEL, "inline_private_functions.cc picks what it can"),
    _row("s_tir.InjectPTXLDG32", CODE, "inject_ptx_ldg32.cc: for CUDA only; " + ORDER),
    _row("s_tir.LowerAsyncDMA", SERIAL, "lower_async_dma.cc: for asynchronous scopes only; " + ORDER),
    _row("s_tir.VerifyVTCMLimit", SERIAL, "checks scratchpad memory only; " + ORDER),
    _row("s_tir.LowerVtcmAlloc", SERIAL, "lowers scratchpad memory only; " + ORDER),
    _row("tirx.VerifyMemory", SERIAL, "checks accelerator memory only; " + ORDER),
    _row(
        "s_tir.ThreadSync",
        SERIAL,
        ORDER,
        args=(ArgRange("storage_scope", ("shared", "shared.dyn", "warp"), required=True),),
    ),
    _row("s_tir.InferFragment", SERIAL, ORDER),
    _row("s_tir.InjectPTXAsyncCopy", SERIAL, "for CUDA's asynchronous copies only; " + ORDER),
    _row("s_tir.MergeSharedMemoryAllocations", SERIAL, ORDER),
)

# The rest of every lowering, in its one order.
TO_CODE_GENERATION = (
    _row(
        "tirx.BindTarget",
        {S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE, S.TARGET_FREE},
        "tirx/build.py: before the pipeline; its argument is a name in harness.targets",
        gives={S.TARGET_BOUND},
        destroys={S.TARGET_FREE},
        args=(ArgRange("target", required=True),),
        optional=False,
    ),
    _row(
        "tirx.AnnotateEntryFunc",
        {S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE},
        ORDER,
        gives={S.ENTRY_ANNOTATED},
        optional=False,
    ),
    _row(
        "s_tir.LowerThreadAllreduce",
        SERIAL | {S.TARGET_BOUND},
        "lower_thread_allreduce.cc: ICHECK that the target is bound; " + ORDER,
        optional=False,
    ),
    _row(
        "tirx.SplitHostDevice",
        CODE | {S.TARGET_BOUND},
        "split_host_device.cc: ICHECK that the target is bound; " + ORDER,
        gives={S.SPLIT},
        destroys={S.HOST_AND_DEVICE},
        optional=False,
    ),
    _row(
        "tirx.MakePackedAPI",
        {S.SPLIT, S.TARGET_BOUND, S.PLAIN_SIGNATURE},
        "make_packed_api.cc; " + ORDER,
        gives={S.PACKED_API},
        destroys={S.PLAIN_SIGNATURE},
        optional=False,
    ),
    _row(
        "tirx.FP8StorageLegalize",
        {S.PACKED_API, S.NO_FP8_COMPUTE},
        "unsupported_dtype_legalize.cc: ICHECK that it is after MakePackedAPI",
        gives={S.NO_FP8_STORAGE},
        optional=False,
    ),
    _row(
        "tirx.BF16StorageLegalize",
        {S.PACKED_API, S.NO_BF16_COMPUTE},
        "unsupported_dtype_legalize.cc: ICHECK that it is after MakePackedAPI",
        gives={S.NO_BF16_STORAGE},
        optional=False,
    ),
    _row(
        "tirx.LowerTVMBuiltin",
        {S.PACKED_API, S.NO_FP8_STORAGE, S.NO_BF16_STORAGE},
        "finalize_host_passes",
        gives={S.BUILTINS_LOWERED},
        optional=False,
    ),
    _row(
        "tirx.LowerIntrin",
        {S.BUILTINS_LOWERED, S.TARGET_BOUND},
        "lower_intrin.cc: ICHECK that the target is bound; finalize_host_passes",
        gives={S.INTRINSICS_LOWERED},
        optional=False,
    ),
)

NEVER_LEGAL = (
    _never("tirx.PointerValueTypeRewrite", "changes the dtype of main's buffers; for SPIR-V"),
    _never("tirx.LowerWarpMemory", "for device functions after the split"),
    _never("tirx.LowerTIRx", "for the tile dialect, which cases don't use"),
    _never("tirx.LowerTIRxOpaque", "for the tile dialect, which cases don't use"),
    _never("tirx.TilePrimitiveDispatch", "for the tile dialect, which cases don't use"),
    _never("s_tir.DecorateDeviceScope", "makes main a device function without a launch"),
    _never("s_tir.DefaultGPUSchedule", "schedules for GPUs; needs their target"),
    _never("s_tir.RemoveWeightLayoutRewriteBlock", "changes the shape of main's buffers"),
    _never("s_tir.InstrumentProfileIntrinsics", "its intrinsics exist for Hexagon only"),
)


def _exists(name: str) -> bool:
    dialect, function = name.split(".")
    return hasattr(getattr(tvm, dialect).transform, function)


CATALOGUE: dict[str, PassInfo] = {
    info.name: info
    for info in (*ON_BLOCKS, *WITHOUT_BLOCKS, *TO_CODE_GENERATION, *NEVER_LEGAL)
    if _exists(info.name)
}
