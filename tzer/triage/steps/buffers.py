"""Steps on parameters, buffers, dtypes, attributes and names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import tvm
from tvm import tirx

from harness import compat
from harness.case import Case
from harness.ir import rewrite
from harness.ir.intervals import base_dtype, is_integer, lanes_of
from tzer.mutate.base import prim_funcs
from tzer.mutate.memory import changeable, exchanged, like
from tzer.triage.steps.edit import Edit, ModuleEdit, ShrinkStep, of_function, paths, put

FEW_ELEMENTS = (1, 2, 4, 8)
# The dtype to try for each: of two, what a reader needs to think least about.
PLAINER = {
    **dict.fromkeys(("int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64"), "int32"),
    **dict.fromkeys(("float16", "bfloat16", "float64"), "float32"),
}
KEPT_ATTRIBUTES = ("global_symbol", "s_tir")
BUFFER_NAMES = "ABCDEFGH"
LOOP_NAMES = "ijklmn"
OTHER_NAMES = "xyzuvw"


def _fewer_parameters(function: Any) -> Iterator[ModuleEdit]:
    """Parameters that are not used, and scalars that may as well be constants."""
    params = list(function.params) if _is_main(function) else []  # others have their callers
    for index, param in enumerate(params):
        rest = [*params[:index], *params[index + 1 :]]
        yield _with_params(function, rest, {})
        dtype = None if compat.is_buffer(param) else compat.dtype_of(param)
        if dtype is not None and (is_integer(dtype) or dtype == "bool") and lanes_of(dtype) == 1:
            for number in (1, 4):
                value = tirx.IntImm(dtype, 1 if dtype == "bool" else number)
                yield _with_params(function, rest, {param: value})


def _is_main(function: Any) -> bool:
    """Whether nothing in the module calls it."""
    attributes = dict(function.attrs.items()) if function.attrs is not None else {}
    return str(attributes.get("global_symbol")) == "main"


def _with_params(function: Any, params: list[Any], values: dict[Any, Any]) -> ModuleEdit:
    def made() -> Any:
        kept = [_with_extents(param, values) for param in params]
        renewed = {old: new for old, new in zip(params, kept, strict=True) if not old.same_as(new)}
        # First the buffers: putting in values makes other buffers of those that use them.
        body = rewrite.substitute(rewrite.substitute(function.body, renewed), values)
        return tirx.PrimFunc(kept, body, function.ret_type, function.attrs)

    return made


def _with_extents(param: Any, values: dict[Any, Any]) -> Any:
    """A buffer whose extents use values instead of variables."""
    if not compat.is_buffer(param) or not values:
        return param
    shape = [rewrite.substitute(extent, values) for extent in param.ty.shape]
    if all(new.same_as(old) for new, old in zip(shape, param.ty.shape, strict=True)):
        return param
    return like(param, shape=shape)


def _symbols(function: Any) -> Iterator[ModuleEdit]:
    """Constants for the extents that are known at run time only."""
    symbols: dict[Any, None] = {}
    for param in function.params if _is_main(function) else ():
        for extent in param.ty.shape if compat.is_buffer(param) else ():
            symbols.update((n, None) for n in compat.nodes(extent) if isinstance(n, compat.Var))
    for symbol in symbols:
        for number in (4, 2, 1):
            value = tirx.IntImm(compat.dtype_of(symbol), number)
            params = [param for param in function.params if not param.same_as(symbol)]
            yield _with_params(function, params, {symbol: value})


def _smaller_buffers(function: Any) -> Iterator[ModuleEdit]:
    """Fewer dimensions, then fewer elements."""
    for buffer in changeable(function, local=False):
        shape = compat.static_shape(buffer)
        assert shape is not None  # else it is not changeable
        for axis in range(len(shape)) if len(shape) > 1 else ():
            yield _without_axis(function, buffer, axis)
        for axis, extent in enumerate(shape):
            fewer = [few for few in FEW_ELEMENTS if few < extent]
            for few in [*fewer, *([extent // 2] if extent // 2 > FEW_ELEMENTS[-1] else [])]:
                smaller = list(buffer.ty.shape)  # extents keep their dtypes
                smaller[axis] = tirx.IntImm(compat.dtype_of(smaller[axis]), few)
                yield _exchanged(function, buffer, like(buffer, shape=smaller))


def _without_axis(function: Any, buffer: Any, axis: int) -> ModuleEdit:
    shape = [extent for index, extent in enumerate(buffer.ty.shape) if index != axis]

    def without(indices: list[Any]) -> list[Any]:
        return [each for index, each in enumerate(indices) if index != axis]

    return lambda: exchanged(function, buffer, like(buffer, shape=shape), without)


def _exchanged(function: Any, old: Any, new: Any) -> ModuleEdit:
    return lambda: exchanged(function, old, new)


def _plain_buffers(function: Any) -> Iterator[ModuleEdit]:
    """Compact buffers in global memory, allocated without annotations."""
    inside = [b for b in rewrite.bound_below(function.body) if compat.is_buffer(b)]
    for buffer in [*filter(compat.is_buffer, function.params), *inside]:
        if compat.static_shape(buffer) is None:
            continue
        if buffer.ty.strides or str(buffer.ty.storage_scope) not in ("", "global"):
            yield _exchanged(function, buffer, like(buffer, scope="global"))
    for path, node in paths(function):
        if compat.type_key(node) == "AllocBuffer" and len(node.annotations):
            yield _unannotated(function, path, node)


def _unannotated(function: Any, path: rewrite.Path, node: Any) -> ModuleEdit:
    return lambda: put(function, path, tirx.AllocBuffer(node.buffer))


def _fewer_attributes(function: Any) -> Iterator[ModuleEdit]:
    attributes = dict(function.attrs.items()) if function.attrs is not None else {}
    more = [key for key in attributes if str(key) not in KEPT_ATTRIBUTES]
    for dropped in ([more] if len(more) > 1 else []) + [[key] for key in more]:
        kept = {key: value for key, value in attributes.items() if key not in dropped}
        yield _with_attributes(function, kept)


def _with_attributes(function: Any, kept: dict[Any, Any]) -> ModuleEdit:
    attrs = tvm.ir.make_node("ir.DictAttrs", **kept)
    return lambda: tirx.PrimFunc(function.params, function.body, function.ret_type, attrs)


def _plain_dtypes(case: Case) -> list[Edit]:
    """One dtype replaced by another in all of the program, by its JSON."""
    data = json.loads(case.module)
    types = [node["data"] for node in data["nodes"] if node["type"] == "ir.PrimType"]
    present = {base_dtype(str(each["dtype"])) for each in types}
    return [_with_dtype(case, old, PLAINER[old]) for old in PLAINER if old in present]


def _with_dtype(case: Case, old: str, new: str) -> Edit:
    def made() -> Case | None:
        data = json.loads(case.module)
        for node in data["nodes"]:
            if node["type"] == "ir.PrimType" and base_dtype(node["data"]["dtype"]) == old:
                node["data"]["dtype"] = new + node["data"]["dtype"].removeprefix(old)
        changed = replace(case, module=json.dumps(data))
        return changed.with_module(changed.load())

    return made


def _plain_names(case: Case) -> list[Edit]:
    """A, B, … for buffers, i, j, … for loops, x, y, … for other variables: all at once."""
    from tzer.triage.steps.edit import module_of

    def made() -> Case | None:
        module = module_of(case.module)
        for var, function in prim_funcs(module):
            module = rewrite.with_function(module, var, _renamed(function))
        changed = case.with_module(module)
        return None if changed.module == case.module else changed

    return [made]


def _renamed(function: Any) -> Any:
    fresh: dict[Any, Any] = {}
    counts = {BUFFER_NAMES: 0, LOOP_NAMES: 0, OTHER_NAMES: 0}

    def name(var: Any, names: str) -> None:
        if var not in fresh:
            turn, index = divmod(counts[names], len(names))
            counts[names] += 1
            chosen = names[index] + (str(turn) if turn else "")
            fresh[var] = compat.Var(chosen, var.ty)

    loops = {
        node.loop_var for node in compat.nodes(function.body) if compat.type_key(node) == "For"
    }
    for var in [*function.params, *rewrite.bound_below(function.body)]:
        if compat.is_buffer(var):
            name(var, BUFFER_NAMES)
        else:
            name(var, LOOP_NAMES if var in loops else OTHER_NAMES)
    params = [fresh[param] for param in function.params]
    body = rewrite.substitute(function.body, fresh)
    return tirx.PrimFunc(params, body, function.ret_type, function.attrs)


def _step(name: str, why: str, edits: Callable[[Any], Iterator[ModuleEdit]]) -> ShrinkStep:
    return ShrinkStep(name, why, of_function(edits))


BUFFERS = (
    _step("parameters", "unused ones, and scalars as constants", _fewer_parameters),
    _step("symbols", "extents as constants", _symbols),
    _step("shapes", "few dimensions and elements", _smaller_buffers),
    _step("memory", "compact, global, unannotated", _plain_buffers),
    _step("attributes", "of functions", _fewer_attributes),
    ShrinkStep("dtypes", "int32 and float32 are what one thinks least about", _plain_dtypes),
)
NAMES = (ShrinkStep("names", "short ones, the same in every program", _plain_names, once=True),)
