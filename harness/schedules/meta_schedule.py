"""meta_schedule: a program of the space that its rules span, after its postprocessors."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir

from harness.schedules.refusal import DoesNotApply
from harness.schedules.tvm_intrinsics import import_intrinsics, leave_out_intrinsics

GPU: dict[str, object] = {
    "max_threads_per_block": 1024, "max_shared_memory_per_block": 49152, "thread_warp_size": 32,
}  # fmt: skip
TARGETS: dict[str, dict[str, object]] = {
    "llvm": {"kind": "llvm", "num-cores": 4},
    "vnni": {"kind": "llvm", "num-cores": 4, "mcpu": "cascadelake"},
    "cuda": {"kind": "cuda", "arch": "sm_61", **GPU},
    "tensor-cores": {"kind": "cuda", "arch": "sm_86", **GPU},
    "metal": {"kind": "metal", **GPU},
    "rocm": {"kind": "rocm", **GPU},
}
# The modules of TVM's intrinsics that the rules for a target use.
INTRINSICS = {"vnni": ("x86",), "tensor-cores": ("cuda",)}

# The same for reproducers.
TEXT = (
    f"META_SCHEDULE_TARGETS = {TARGETS!r}\n"
    + '''

def meta_schedule(s, target, seed, number):
    """A schedule of one of the programs that meta_schedule's rules make of the module."""
    from tvm.s_tir import meta_schedule as ms

    context = ms.TuneContext(
        mod=s.mod, target=tvm.target.Target(META_SCHEDULE_TARGETS[target]),
        space_generator="post-order-apply", rand_state=seed, num_threads=1,
    )
    spaces = context.generate_design_space()
    chosen = spaces[number % len(spaces)]
    for postprocessor in context.space_generator.postprocs or ():
        if isinstance(postprocessor, ms.postproc.VerifyGPUCode):
            continue  # whether a GPU could run it
        if not postprocessor.apply(chosen):
            raise s_tir.ScheduleError("a postprocessor refuses")
    return s_tir.Schedule(chosen.mod, seed=1, error_render_level="none")
'''
)


def meta_schedule(schedule: Any, target: Any, seed: Any, number: Any) -> Any:
    """A schedule of one of the programs of the space.

    Raises:
        DoesNotApply: a postprocessor refuses, or the target is none of those that are drawn.
    """
    if target not in TARGETS or type(seed) is not int or type(number) is not int:
        raise DoesNotApply(f"no space of meta_schedule: {target}, {seed}, {number}")
    if not 1 <= seed < 1 << 31:
        raise DoesNotApply(f"not a seed: {seed}")
    leave_out_intrinsics()
    for name in INTRINSICS.get(target, ()):
        import_intrinsics(name)
    from tvm.s_tir import meta_schedule as ms

    context = ms.TuneContext(
        mod=schedule.mod,
        target=tvm.target.Target(TARGETS[target]),
        space_generator="post-order-apply",
        rand_state=seed,
        num_threads=1,
    )
    spaces = context.generate_design_space()
    chosen = spaces[number % len(spaces)]
    for postprocessor in context.space_generator.postprocs or ():
        if isinstance(postprocessor, ms.postproc.VerifyGPUCode):
            continue  # whether a GPU could run it changes nothing of what it means
        if not postprocessor.apply(chosen):
            raise DoesNotApply("a postprocessor refuses")
    if chosen.mod.same_as(schedule.mod):
        raise DoesNotApply("no rule applies")
    return s_tir.Schedule(chosen.mod, seed=1, debug_mask="none", error_render_level="none")
