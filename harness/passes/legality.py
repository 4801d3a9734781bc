"""Legality: whether each pass of a sequence meets the states it needs, and how to make it so."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from harness import compat
from harness.case import CaseError, PassCall
from harness.passes.catalogue import CATALOGUE
from harness.passes.make import check_call
from harness.passes.pass_info import States
from harness.passes.state import State
from harness.targets import get_target

Calls = Sequence[PassCall]


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

# What a lowering can't do without, in that order: each pass with the state for which it is there.
_REQUIRED = (
    (PassCall("s_tir.CanonicalizeLoop"), State.CANONICAL_LOOPS),
    (PassCall(compat.SSA_WITH_BLOCKS), State.UNIQUE_DEFINITIONS),
    (PassCall("s_tir.LowerInitBlock"), State.NO_INIT),
    (PassCall("s_tir.ConvertBlocksToOpaque"), State.OPAQUE_BLOCKS),
    (PassCall("s_tir.LowerMatchBuffer"), State.NO_MATCH_BUFFERS),
    (PassCall("s_tir.AnnotateIrregularLoop"), State.MARKED_JUMPS),
    (PassCall("s_tir.LowerOpaqueBlock"), State.NO_BLOCKS),
    (PassCall("tirx.FlattenBuffer"), State.FLAT_BUFFERS),
    (PassCall("tirx.BF16ComputeLegalize"), State.NO_BF16_COMPUTE),
    (PassCall("s_tir.LoopPartition"), State.NO_LIKELY),
    (PassCall("tirx.VectorizeLoop", (False,)), State.NO_VECTOR_LOOPS),
    (PassCall("s_tir.InjectVirtualThread"), State.NO_VIRTUAL_THREADS),
    (PassCall("s_tir.RewriteUnsafeSelect"), State.SAFE_SELECTS),
    (PassCall("tirx.FP8ComputeLegalize"), State.NO_FP8_COMPUTE),
    (PassCall("tirx.AnnotateEntryFunc"), State.ENTRY_ANNOTATED),
    (PassCall("tirx.SplitHostDevice"), State.SPLIT),
    (PassCall("tirx.MakePackedAPI"), State.PACKED_API),
    (PassCall("tirx.FP8StorageLegalize"), State.NO_FP8_STORAGE),
    (PassCall("tirx.BF16StorageLegalize"), State.NO_BF16_STORAGE),
    (PassCall("tirx.LowerTVMBuiltin"), State.BUILTINS_LOWERED),
    (PassCall("tirx.LowerIntrin"), State.INTRINSICS_LOWERED),
)


# What only a function that TVM's own runtime calls needs; targets on devices end before it.
_FOR_THE_RUNTIME = frozenset(
    {
        State.ENTRY_ANNOTATED,
        State.SPLIT,
        State.PACKED_API,
        State.NO_FP8_STORAGE,
        State.NO_BF16_STORAGE,
        State.BUILTINS_LOWERED,
        State.INTRINSICS_LOWERED,
    }
)

# No aim in themselves: provided only for a pass that needs them.
_ON_DEMAND = (State.UNIQUE_DEFINITIONS, State.MARKED_JUMPS)


def default_order(target: str) -> tuple[PassCall, ...]:
    """The passes that tvm.compile runs for a processor, in order.

    For a target on a device up to where those for TVM's runtime begin.
    """
    order = [_call(text) for text in _DEFAULT_ORDER]
    if not get_target(target).has_runtime:
        order = order[: order.index(PassCall("tirx.SplitHostDevice"))]
    return (PassCall("tirx.BindTarget", (target,)), *order)


def minimal_order(target: str) -> tuple[PassCall, ...]:
    """The passes that no lowering can do without."""
    return tuple(call for call, _ in _required(target))


def _required(target: str) -> list[tuple[PassCall, State]]:
    """What a lowering for the target can't do without, each with the state that it is there for."""
    bind = (PassCall("tirx.BindTarget", (target,)), State.TARGET_BOUND)
    has_runtime = get_target(target).has_runtime
    needed = [pair for pair in _REQUIRED if has_runtime or pair[1] not in _FOR_THE_RUNTIME]
    return [bind, *needed]


def states_after(states: States, calls: Iterable[PassCall]) -> States:
    """The states after the calls, legal or not; unknown passes change nothing."""
    for call in calls:
        info = CATALOGUE.get(call.name)
        states = states if info is None else info.after(states)
    return states


def first_illegal(states: States, calls: Calls) -> int | None:
    """The position of the first pass that lacks a state or has wrong arguments, or None."""
    for position, call in enumerate(calls):
        try:
            info = check_call(call)
        except CaseError:
            return position
        if info.missing(states):
            return position
        states = info.after(states)
    return None


def is_legal(states: States, calls: Calls) -> bool:
    """Whether every pass meets the states that it needs."""
    return first_illegal(states, calls) is None


def complete(states: States, calls: Calls, target: str) -> tuple[PassCall, ...]:
    """What is still missing after the calls, up to code generation for the target."""
    states = states_after(states, calls)
    rest: list[PassCall] = []
    for call, purpose in _required(target):
        if purpose in states or purpose in _ON_DEMAND:
            continue
        info = CATALOGUE[call.name]
        steps = [_PROVIDERS[need] for need in _ON_DEMAND if need in info.missing(states)]
        for step in (*steps, call):
            rest.append(step)
            states = CATALOGUE[step.name].after(states)
    return tuple(rest)


# The pass that gives a state at the least cost to the program.
_PROVIDERS = {
    purpose: call for call, purpose in reversed(_REQUIRED) if CATALOGUE[call.name].optional
}


def repair(states: States, calls: Calls, rng: random.Random) -> tuple[PassCall, ...]:
    """The nearest legal sequence: what a pass lacks is put before it, or else it is dropped.

    Where passes could be put in to mend a call, one time in four the call is dropped all the same,
    so that repeated repairs don't make sequences ever longer.
    """
    repaired: list[PassCall] = []
    for call in calls:
        try:
            check_call(call)
        except CaseError:
            continue
        before = _bridge(states, call)
        if before is None or (before and rng.random() < 0.25):
            continue
        for step in (*before, call):
            repaired.append(step)
            states = CATALOGUE[step.name].after(states)
    return tuple(repaired)


def _bridge(states: States, call: PassCall) -> tuple[PassCall, ...] | None:
    """The passes that make the call legal, in order; None if none can."""
    info = CATALOGUE[call.name]
    steps: list[PassCall] = []
    for provider, purpose in _REQUIRED:
        missing = info.missing(states)
        if not missing:
            break
        # A missing state may need others that are given earlier in the required order.
        if purpose in states or purpose not in _closure(missing):
            continue
        if purpose not in _PROVIDERS or CATALOGUE[provider.name].missing(states):
            return None
        steps.append(provider)
        states = CATALOGUE[provider.name].after(states)
    return None if info.missing(states) else tuple(steps)


def _closure(missing: States) -> set[State]:
    """The missing states and all that their providers need, transitively."""
    wanted = set(missing)
    pending = list(missing)
    while pending:
        provider = _PROVIDERS.get(pending.pop())
        if provider is None:
            continue
        for need in CATALOGUE[provider.name].needs - wanted:
            wanted.add(need)
            pending.append(need)
    return wanted
