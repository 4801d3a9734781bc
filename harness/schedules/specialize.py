"""specialize: a symbolic extent of a function's parameters made a constant.

The inputs of a case have the extents that its trace specializes (`Case.extents`), so that the
program before and after take the same.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir, tirx

from harness import compat
from harness.case import is_extent
from harness.schedules.refusal import DoesNotApply

# The same for reproducers.
TEXT = '''
def specialize(s, extent):
    """A schedule of the module in which this symbolic extent is a constant: (name, value)."""
    symbol, value = extent
    name = s.func_working_on.name_hint
    function, buffers = s.mod[name], {}
    for param in function.params:
        shape = getattr(param.ty, "shape", None)
        if shape is not None:
            shape = [value if getattr(each, "name", "") == symbol else each for each in shape]
            buffers[param] = tirx.decl_buffer(shape, param.ty.dtype, param.name)
    functions = dict(s.mod.functions.items())
    functions[s.mod.get_global_var(name)] = function.specialize(buffers)
    return s_tir.Schedule(tvm.IRModule(functions), seed=1, error_render_level="none")
'''


def specialize(schedule: Any, extent: Any) -> Any:
    """A schedule of the module in which this symbolic extent is a constant: (name, value).

    Raises:
        DoesNotApply: no parameter has it for an extent, or a scalar is it, which would vanish, or
            the value is none that a case may have (harness/case.py).
    """
    if not is_extent(extent):
        raise DoesNotApply(f"not an extent: {extent}")
    symbol, value = extent
    name = str(schedule.func_working_on.name_hint)
    function = schedule.mod[name]
    if symbol not in symbols(function):
        raise DoesNotApply(f"no extent {symbol}")
    buffers = {}
    for param in function.params:
        if compat.is_buffer(param):
            shape = [value if _name(each) == symbol else each for each in param.ty.shape]
            buffers[param] = tirx.decl_buffer(shape, param.ty.dtype, param.name)
    functions = dict(schedule.mod.functions.items())
    functions[schedule.mod.get_global_var(name)] = function.specialize(buffers)
    module = tvm.IRModule(functions)
    return s_tir.Schedule(module, seed=1, debug_mask="none", error_render_level="none")


def symbols(function: Any) -> list[str]:
    """The names of the variables that are extents of parameters, and not parameters."""
    scalars = {str(param.name) for param in function.params if not compat.is_buffer(param)}
    names = {
        _name(extent): None
        for param in function.params
        if compat.is_buffer(param)
        for extent in param.ty.shape
    }
    return [name for name in names if name and name not in scalars]


def _name(extent: Any) -> str:
    return str(extent.name) if compat.type_key(extent) == "Var" else ""
