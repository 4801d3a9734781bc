"""Storage buffers as arrays of vec4, in lowered functions for WebGPU.

TVM's WGSL has arrays of vectors only where a parameter is declared so; a vector of a buffer of
scalars is loaded and stored lane by lane, which no compiler may join under bounds checks. So a
parameter of float32 whose every access is a vector of four, aligned, is declared as float32x4. Its
bytes are the same: nobody else need know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import tvm_ffi
from tvm import ir, tirx

from harness import compat
from harness.ir.rewrite import substitute

LANES = 4
DTYPE = "float32"


def with_vector_buffers(module: Any) -> Any:
    """The module with the parameters of its function `main` as vectors where that is possible.

    The function must be lowered up to vectors, with flat buffers.
    """
    function = module["main"]
    places = _Places(function)
    wide = {
        parameter: tirx.decl_buffer((size // LANES,), f"{DTYPE}x{LANES}", name=parameter.name)
        for parameter in function.params
        if (size := places.vectors(parameter)) is not None
    }
    if not wide:
        return module
    views = {
        view: tirx.decl_buffer((size // LANES,), f"{DTYPE}x{LANES}", name=view.name)
        for view, parameter in places.views.items()
        if parameter in wide and (size := places.vectors(parameter)) is not None
    }
    body = _with_views(function.body, wide, views, places)
    made = tirx.PrimFunc(
        [wide.get(each, each) for each in function.params], body, function.ret_type, function.attrs
    )
    return ir.IRModule({"main": made})


class _Places:
    """Where a function accesses its parameters, through flat views of them."""

    def __init__(self, function: Any) -> None:
        self.views: dict[Any, Any] = {}  # the parameters, by their views
        self.bound: dict[Any, Any] = {}  # the values of variables
        self.accesses: dict[Any, list[Any]] = {each: [] for each in function.params}
        for node in compat.nodes(function.body):
            kind = compat.type_key(node)
            if kind == "DeclBuffer" and compat.type_key(node.data) == "Call":
                self.views[node.buffer] = node.data.args[0]
            elif kind == "Bind":
                self.bound[node.var] = node.value
        for buffer, indices in _accesses(function.body):
            parameter = self.views.get(buffer, buffer)
            if parameter in self.accesses:
                self.accesses[parameter].append(indices)

    def vectors(self, parameter: Any) -> int | None:
        """How many elements a parameter has, if all of its accesses are aligned vectors."""
        shape = compat.static_shape(parameter)
        accesses = self.accesses[parameter]
        if str(parameter.ty.dtype) != DTYPE or shape is None or not accesses:
            return None
        size = math.prod(shape)
        fits = size % LANES == 0 and all(self._is_aligned(indices) for indices in accesses)
        return size if fits else None

    def _is_aligned(self, indices: Any) -> bool:
        if len(indices) != 1 or compat.type_key(indices[0]) != "Ramp":
            return False
        (ramp,) = indices
        if int(ramp.lanes) != LANES or not _is_one(ramp.stride):
            return False
        known = compat.analyzer().modular_set(self.inlined(ramp.base))
        return int(known.coeff) % LANES == 0 and int(known.base) % LANES == 0

    def inlined(self, expression: Any) -> Any:
        """The expression without variables that are bound to values."""
        while True:
            table = {
                node: self.bound[node]
                for node in compat.nodes(expression)
                if isinstance(node, compat.Var) and node in self.bound
            }
            if not table:
                return expression
            expression = substitute(expression, table)


def _is_one(stride: Any) -> bool:
    return isinstance(stride, compat.IntImm) and int(stride) == 1


def _accesses(body: Any) -> Iterator[tuple[Any, Any]]:
    for node in compat.nodes(body):
        kind = compat.type_key(node)
        if kind == "BufferLoad":
            yield compat.load_buffer(node), node.indices
        elif kind == "BufferStore":
            yield node.buffer, node.indices


def _with_views(body: Any, wide: dict[Any, Any], views: dict[Any, Any], places: _Places) -> Any:
    buffers = {**wide, **views}

    def index(indices: Any) -> Any:
        base = places.inlined(indices[0].base)
        return compat.analyzer().simplify(tirx.floordiv(base, tirx.IntImm("int32", LANES)))

    def loaded(load: Any) -> Any:
        buffer = buffers.get(compat.load_buffer(load))
        return load if buffer is None else tirx.BufferLoad(buffer, [index(load.indices)])

    def stored(store: Any) -> Any:
        buffer = buffers.get(store.buffer)
        if buffer is None:
            return store
        return tirx.BufferStore(buffer, store.value, [index(store.indices)])

    def declared(statement: Any) -> Any:
        view = views.get(statement.buffer)
        if view is None:
            return statement
        return tirx.DeclBuffer(view, data=wide[places.views[statement.buffer]].data)

    changes = [
        (compat.BufferLoad, loaded), (tirx.BufferStore, stored), (tirx.DeclBuffer, declared),
    ]  # fmt: skip
    return tvm_ffi.structural_map(body, changes)
