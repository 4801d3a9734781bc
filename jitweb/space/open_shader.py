"""Kernels for a GPU that take a length: a shader has buffers alone, and its grid is the caller's.

The length lies in a buffer of one int32, the last parameter. Buffers whose extents depend on it
become flat ones, as large as for the most, whose places are computed from it.
"""

from __future__ import annotations

import json
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.rewrite import substitute
from jitweb.extent import Extent, extent_from_json
from jitweb.space import emit

Grid = tuple[int, int, int]


def with_length_buffer(function: Any) -> tuple[Any, tuple[Grid, ...]]:
    """The function with its length in a buffer, and its grids, which depend on the length.

    A function without a length is returned as it is, without grids.
    """
    lengths = emit.lengths_of(function)
    if not lengths:
        return function, ()
    *buffers, var = function.params
    holder = emit.buffer("length", (1,), "int32")
    shapes = {buffer: emit.shape_of(buffer) for buffer in buffers}
    flat = {
        buffer: emit.buffer(buffer.name, (int(emit.product(shape)),), str(buffer.ty.dtype))
        for buffer, shape in shapes.items()
        if any(isinstance(extent, Extent) for extent in shape)
    }

    def load(node: Any) -> Any:
        buffer = compat.load_buffer(node)
        if buffer not in flat:
            return node
        return emit.load(flat[buffer], emit.flat(list(node.indices), shapes[buffer]))

    def store(node: Any) -> Any:
        if node.buffer not in flat:
            return node
        place = emit.flat(list(node.indices), shapes[node.buffer])
        return emit.store(flat[node.buffer], node.value, place)

    kinds = [(compat.BufferLoad, load), (tirx.BufferStore, store), (tirx.For, _plain)]
    body = substitute(tvm_ffi.structural_map(function.body, kinds), {var: emit.load(holder, 0)})
    parameters = [flat.get(each, each) for each in buffers]
    return emit.function([*parameters, holder], body), tuple(_grids(function, int(lengths[0])))


def _plain(loop: Any) -> Any:
    """The loop without the note of its extent."""
    if emit.GRID not in loop.annotations:
        return loop
    return tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, loop.body, loop.thread_binding)


def _grids(function: Any, most: int) -> list[Grid]:
    """The workgroups of each grid, along x and y, in the order of the grids."""
    nests = function.body.seq if compat.type_key(function.body) == "SeqStmt" else [function.body]
    grids = []
    for nest in nests:
        extents = {"blockIdx.x": 1, "blockIdx.y": 1}
        for node in compat.nodes(nest):
            if compat.type_key(node) != "For" or node.thread_binding is None:
                continue
            note, tag = node.annotations.get(emit.GRID), str(node.thread_binding.thread_tag)
            extent = int(node.extent) if note is None else json.loads(str(note))
            if tag in extents:
                extents[tag] = extent_from_json(extent, most)
        grids.append((extents["blockIdx.x"], extents["blockIdx.y"], 1))
    return grids
