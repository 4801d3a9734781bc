"""dlight: the rules of `tvm.s_tir.dlight`, which schedule whole functions for a GPU."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir

from harness.schedules.draw import DLIGHT_RULES, DLIGHT_TARGETS
from harness.schedules.refusal import DoesNotApply

# The same for reproducers.
TEXT = '''
def dlight(s, rule, target):
    """A schedule of what the rule makes of the module; it changes the module that it gets."""
    from tvm.s_tir import dlight as rules

    module = tvm.IRModule(dict(s.mod.functions.items()))
    with tvm.target.Target(target):
        module = rules.ApplyDefaultSchedule(getattr(rules.gpu, rule)())(module)
    return s_tir.Schedule(module, seed=1, error_render_level="none")
'''


def dlight(schedule: Any, rule: object, target: object) -> Any:
    """A schedule of what the rule makes of the module.

    Raises:
        DoesNotApply: it does not apply, or is none of the rules and targets that are drawn.
    """
    from tvm.s_tir import dlight as rules

    if rule not in DLIGHT_RULES or target not in DLIGHT_TARGETS:
        raise DoesNotApply(f"no rule of dlight: {rule}, {target}")
    module = tvm.IRModule(dict(schedule.mod.functions.items()))  # it changes what it gets
    with tvm.target.Target(target):
        module = rules.ApplyDefaultSchedule(getattr(rules.gpu, str(rule))())(module)
    functions = schedule.mod.functions
    if all(function.same_as(functions[var]) for var, function in module.functions.items()):
        raise DoesNotApply("the rule does not apply")
    return s_tir.Schedule(module, seed=1, debug_mask="none", error_render_level="none")
