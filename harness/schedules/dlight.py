"""dlight: the rules of `tvm.s_tir.dlight`, which schedule whole functions for a target."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir

from harness.schedules.refusal import DoesNotApply
from harness.schedules.tvm_intrinsics import import_intrinsics

# By the package that has them, and the targets that they are for.
RULES = {
    "gpu": (
        "Matmul", "GEMV", "LowBatchGEMV", "Reduction", "GeneralReduction", "Transpose", "RMSNorm",
        "Fallback",
    ),
    "cpu": ("GEMV", "Reduction"),
    "adreno": ("Conv2d", "Fallback", "LayoutTransform", "Pool2D"),
}  # fmt: skip
TARGETS: dict[str, tuple[str, ...]] = {
    "gpu": ("webgpu", "opencl", "nvidia/geforce-rtx-3090", "metal", "rocm", "vulkan", "cuda"),
    "cpu": ("llvm",),
    "adreno": ("qcom/adreno-opencl",),
}

# The same for reproducers.
TEXT = '''
def dlight(s, rule, target):
    """A schedule of what the rule makes of the module; it changes the module that it gets."""
    from tvm.s_tir import dlight as rules

    package, _, name = rule.rpartition(".")
    made = getattr(getattr(rules, package or "gpu"), name)()
    module = tvm.IRModule(dict(s.mod.functions.items()))
    with tvm.target.Target(target):
        module = rules.ApplyDefaultSchedule(made)(module)
    return s_tir.Schedule(module, seed=1, error_render_level="none")
'''


def dlight(schedule: Any, rule: object, target: object) -> Any:
    """A schedule of what the rule makes of the module; "Matmul" is "gpu.Matmul".

    Raises:
        DoesNotApply: it does not apply, or is none of the rules and targets that are drawn.
    """
    from tvm.s_tir import dlight as rules

    package, _, name = str(rule).rpartition(".")
    package = package or "gpu"
    if name not in RULES.get(package, ()) or target not in TARGETS[package]:
        raise DoesNotApply(f"no rule of dlight: {rule}, {target}")
    if package == "gpu" and name == "Matmul":
        import_intrinsics("metal" if target == "metal" else "cuda")
    module = tvm.IRModule(dict(schedule.mod.functions.items()))  # it changes what it gets
    with tvm.target.Target(target):
        module = rules.ApplyDefaultSchedule(getattr(getattr(rules, package), name)())(module)
    functions = schedule.mod.functions
    if all(function.same_as(functions[var]) for var, function in module.functions.items()):
        raise DoesNotApply("the rule does not apply")
    return s_tir.Schedule(module, seed=1, debug_mask="none", error_render_level="none")
