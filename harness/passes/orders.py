"""TVM's own orders of passes: the default one, and what no lowering can do without."""

from __future__ import annotations

from dataclasses import dataclass

from harness import compat
from harness.case import PassCall
from harness.passes.state import State
from harness.targets import get_target


def _call(text: str) -> PassCall:
    name, *args = text.split(" ")
    return PassCall(name, tuple(int(arg) if arg.isdigit() else arg for arg in args))


# TVM's own order for a processor (`default_s_tir_pipeline` and `finalize_host_passes` without
# configuration), which a test compares with what tvm.compile runs.
_DEFAULT_ORDER = (
    "s_tir.CanonicalizeLoop",
    "s_tir.LowerCrossThreadReduction",
    "s_tir.LowerInitBlock",
    "s_tir.PlanAndUpdateBufferAllocationLocation",
    "s_tir.ConvertBlocksToOpaque",
    "s_tir.LiftThreadBinding",
    "s_tir.ManifestSharedMemoryLocalStage",
    "s_tir.CompactBufferAllocation",
    "s_tir.LowerAutoCopy",
    "s_tir.UnifyThreadBinding",
    "s_tir.LowerMatchBuffer",
    compat.SIMPLIFY_WITH_BLOCKS,
    "s_tir.InjectPermutedLayout",
    "s_tir.AnnotateIrregularLoop",
    "s_tir.InjectSoftwarePipeline",
    "s_tir.TransformMmaBufferLayout",
    "s_tir.LowerOpaqueBlock",
    "tirx.FlattenBuffer",
    "tirx.BF16ComputeLegalize",
    "tirx.NarrowDataType 32",
    "s_tir.LoopPartition",
    "tirx.VectorizeLoop",
    "s_tir.InjectVirtualThread",
    "s_tir.InjectDoubleBuffer",
    "tirx.StorageRewrite",
    "s_tir.HoistIfThenElse",
    "tirx.UnrollLoop",
    "s_tir.RenormalizeSplitPattern",
    "tirx.StmtSimplify",
    "tirx.RemoveNoOp",
    "s_tir.RewriteUnsafeSelect",
    "tirx.CommonSubexprElim",
    "tirx.FP8ComputeLegalize",
    "s_tir.VerifyVTCMLimit",
    "s_tir.LowerVtcmAlloc",
    "tirx.VerifyMemory",
    "tirx.AnnotateEntryFunc",
    "s_tir.ThreadSync shared",
    "s_tir.ThreadSync shared.dyn",
    "s_tir.ThreadSync warp",
    "s_tir.InferFragment",
    "s_tir.LowerThreadAllreduce",
    "s_tir.MergeSharedMemoryAllocations",
    "tirx.SplitHostDevice",
    "tirx.MakePackedAPI",
    "tirx.FP8StorageLegalize",
    "tirx.BF16StorageLegalize",
    "tirx.LowerTVMBuiltin",
    "tirx.LowerIntrin",
)


@dataclass(frozen=True)
class Step:
    """A pass of every lowering, and the state that it is there for.

    `for_runtime`: only a function that TVM's own runtime calls needs it; targets on devices end
    before. `on_demand`: the state is only provided for a pass that needs it.
    """

    call: PassCall
    state: State
    for_runtime: bool = False
    on_demand: bool = False


# In the order of a lowering; before them all, BindTarget names the target.
REQUIRED = (
    Step(PassCall("s_tir.CanonicalizeLoop"), State.CANONICAL_LOOPS),
    Step(PassCall(compat.SSA_WITH_BLOCKS), State.UNIQUE_DEFINITIONS, on_demand=True),
    Step(PassCall("s_tir.LowerInitBlock"), State.NO_INIT),
    Step(PassCall("s_tir.ConvertBlocksToOpaque"), State.OPAQUE_BLOCKS),
    Step(PassCall("s_tir.LowerMatchBuffer"), State.NO_MATCH_BUFFERS),
    Step(PassCall("s_tir.AnnotateIrregularLoop"), State.MARKED_JUMPS, on_demand=True),
    Step(PassCall("s_tir.LowerOpaqueBlock"), State.NO_BLOCKS),
    Step(PassCall("tirx.FlattenBuffer"), State.FLAT_BUFFERS),
    Step(PassCall("tirx.BF16ComputeLegalize"), State.NO_BF16_COMPUTE),
    Step(PassCall("s_tir.LoopPartition"), State.NO_LIKELY),
    Step(PassCall("tirx.VectorizeLoop", (False,)), State.NO_VECTOR_LOOPS),
    Step(PassCall("s_tir.InjectVirtualThread"), State.NO_VIRTUAL_THREADS),
    Step(PassCall("s_tir.RewriteUnsafeSelect"), State.SAFE_SELECTS),
    Step(PassCall("tirx.FP8ComputeLegalize"), State.NO_FP8_COMPUTE),
    Step(PassCall("tirx.AnnotateEntryFunc"), State.ENTRY_ANNOTATED, for_runtime=True),
    Step(PassCall("tirx.SplitHostDevice"), State.SPLIT, for_runtime=True),
    Step(PassCall("tirx.MakePackedAPI"), State.PACKED_API, for_runtime=True),
    Step(PassCall("tirx.FP8StorageLegalize"), State.NO_FP8_STORAGE, for_runtime=True),
    Step(PassCall("tirx.BF16StorageLegalize"), State.NO_BF16_STORAGE, for_runtime=True),
    Step(PassCall("tirx.LowerTVMBuiltin"), State.BUILTINS_LOWERED, for_runtime=True),
    Step(PassCall("tirx.LowerIntrin"), State.INTRINSICS_LOWERED, for_runtime=True),
)


def bind(target: str) -> Step:
    """The first step of every lowering for the target."""
    return Step(PassCall("tirx.BindTarget", (target,)), State.TARGET_BOUND)


def default_order(target: str) -> tuple[PassCall, ...]:
    """The passes that tvm.compile runs for a processor, in order.

    For a target on a device up to where those for TVM's runtime begin.
    """
    order = [_call(text) for text in _DEFAULT_ORDER]
    if not get_target(target).has_runtime:
        order = order[: order.index(PassCall("tirx.SplitHostDevice"))]
    return (bind(target).call, *order)
