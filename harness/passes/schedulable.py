"""Catalogue, first part: passes on schedulable TIR, which has blocks."""

from __future__ import annotations

from harness.passes.pass_info import ArgRange
from harness.passes.rows import (
    BOOLEANS,
    HIGH_LEVEL,
    OPAQUE,
    ORDER,
    SIMPLIFY,
    STRUCTURED,
    row,
)
from harness.passes.state import State as S

SCHEDULABLE = (
    row(
        "s_tir.CanonicalizeLoop",
        {S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE},
        "s_tir/transform/canonicalize_loop.cc: all loops to start from zero and step one; "
        "first in default_s_tir_pipeline",
        gives={S.CANONICAL_LOOPS},
    ),
    row("s_tir.LowerCrossThreadReduction", STRUCTURED | {S.BLOCK_VARIABLES}, ORDER),
    row(
        "s_tir.LowerInitBlock",
        STRUCTURED,
        "s_tir/transform/lower_init_block.cc: makes init statements conditional ones",
        gives={S.NO_INIT},
    ),
    row(
        "s_tir.PlanAndUpdateBufferAllocationLocation",
        STRUCTURED | {S.NO_INIT, S.BLOCK_VARIABLES},
        "plan_update_buffer_allocation_location.cc: ICHECK that no block has an init; it keeps "
        "allocations out of reduction loops, which it knows by the block variables",
    ),
    row(
        "s_tir.ConvertBlocksToOpaque",
        STRUCTURED | {S.NO_INIT},
        "convert_blocks_to_opaque.cc: ICHECK that no block has an init; binds block variables",
        gives={S.OPAQUE_BLOCKS},
        destroys={S.BLOCK_VARIABLES},
    ),
    row("s_tir.LiftThreadBinding", OPAQUE, ORDER),
    row("s_tir.ManifestSharedMemoryLocalStage", OPAQUE, ORDER),
    row(
        "s_tir.CompactBufferAllocation",
        OPAQUE | {S.MATCH_REGIONS},
        "compact_buffer_region.cc: ICHECKs for opaque blocks without init; before LowerMatchBuffer "
        "as it rewrites regions, not offsets",
        args=(ArgRange("is_strict", BOOLEANS),),
    ),
    row("s_tir.LowerAutoCopy", OPAQUE | {S.MATCH_REGIONS}, ORDER),
    row(
        "s_tir.UnifyThreadBinding",
        STRUCTURED,
        ORDER + " and default_tir_pipeline; unify_thread_binding.cc: makes each thread_extent a "
        "thread-bound loop, which LowerOpaqueBlock turns back",
        destroys={S.NO_BLOCKS},
    ),
    row(
        "s_tir.LowerMatchBuffer",
        OPAQUE,
        ORDER,
        gives={S.NO_MATCH_BUFFERS},
        destroys={S.MATCH_REGIONS},
    ),
    row("s_tir.InjectPermutedLayout", OPAQUE | {S.NO_MATCH_BUFFERS}, ORDER),
    row(
        "s_tir.AnnotateIrregularLoop",
        STRUCTURED,
        "annotate_irregular_loop.cc: ICHECK that loops around break or continue are serial; "
        + ORDER,
        gives={S.MARKED_JUMPS},
    ),
    row("s_tir.InjectSoftwarePipeline", OPAQUE | {S.NO_MATCH_BUFFERS}, ORDER),
    row("s_tir.TransformMmaBufferLayout", OPAQUE | {S.NO_MATCH_BUFFERS}, ORDER),
    row(
        "s_tir.UseAssumeToReduceBranches",
        STRUCTURED,
        "using_assume_to_reduce_branches.cc: relies on assumptions, which hold in valid programs",
    ),
    row(
        "s_tir.LowerOpaqueBlock",
        OPAQUE | {S.NO_MATCH_BUFFERS, S.MARKED_JUMPS},
        "lower_opaque_block.cc: ICHECK that blocks are opaque; drops matches, and loops of extent "
        "one unless they are marked",
        gives={S.NO_BLOCKS},
        destroys={S.STRUCTURED, S.BLOCK_VARIABLES, S.MATCH_REGIONS},
    ),
    row(
        "s_tir.StmtSimplify",
        HIGH_LEVEL,
        "its docstring: simplifies schedulable TIR",
        args=(SIMPLIFY,),
    ),
    row(
        "s_tir.ConvertSSA",
        HIGH_LEVEL,
        "its docstring: de-duplicates definitions, of blocks too",
        gives={S.UNIQUE_DEFINITIONS},
    ),
)
