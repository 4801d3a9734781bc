"""Memory: mutate dtype, shape and storage scope of buffers (Tzer, section 3: domain-specific).

A buffer is a variable whose type holds its dtype and shape. Each mutator here makes a variable of
another type and rewrites every access: values are converted at loads and stores, indexes permuted
or offset.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import is_integer, lanes_of
from tzer.mutate.base import FunctionMutator

WIDER = {
    "float16": ("float32", "float64"),
    "float32": ("float64",),
    "int8": ("int16", "int32", "int64"),
    "int16": ("int32", "int64"),
    "int32": ("int64",),
    "uint8": ("uint16", "uint32", "int32", "int16"),
    "uint16": ("uint32", "int32"),
    "uint32": ("uint64", "int64"),
    "bool": ("int8", "int32", "uint8"),
}
NARROWER = {"float64": "float32", "float32": "float16"}
# Nodes that use a buffer in other ways than element by element.
OPAQUE = frozenset({"DeclBuffer", "MatchBufferRegion", "Call"})


def changeable(function: Any, *, local: bool) -> list[Any]:
    """Buffers that are only loaded from and stored to; `local`: only those allocated inside."""
    inside = [b for b in rewrite.bound_below(function.body) if compat.is_buffer(b)]
    buffers = inside if local else [*filter(compat.is_buffer, function.params), *inside]
    opaque: set[Any] = set()

    def note(node: Any) -> None:
        key = compat.type_key(node)
        if key == "DeclBuffer":
            opaque.add(node.buffer)
            if node.data is not None:
                opaque.update(n for n in compat.nodes(node.data) if compat.is_buffer(n))
        elif key == "MatchBufferRegion":
            opaque.update({node.buffer, compat.region_buffer(node.source)})
        elif key == "Call":
            opaque.update(arg for arg in node.args if compat.is_buffer(arg))
        elif key == "AttrStmt" and compat.is_buffer(node.node):
            opaque.add(node.node)
        elif key in ("BufferLoad", "BufferStore") and compat.access_predicate(node) is not None:
            opaque.add(compat.load_buffer(node) if key == "BufferLoad" else node.buffer)

    compat.walk(function.body, note)
    plain = (
        b for b in buffers
        if b not in opaque and compat.static_shape(b) and not b.ty.strides
        and lanes_of(str(b.ty.dtype)) == 1 and "custom" not in str(b.ty.dtype)
    )  # fmt: skip
    return list(plain)


def like(
    buffer: Any, *, shape: Any = None, dtype: str | None = None, scope: str | None = None
) -> Any:
    """A buffer variable of the same name with another shape, dtype or storage scope."""
    return tirx.decl_buffer(
        list(buffer.ty.shape) if shape is None else shape,
        dtype or str(buffer.ty.dtype),
        buffer.name,
        scope=scope or str(buffer.ty.storage_scope) or "global",
    )


def exchanged(
    function: Any,
    old: Any,
    new: Any,
    indices: Callable[[list[Any]], list[Any]] = list,
    loaded: Callable[[Any], Any] = lambda value: value,
    stored: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """The function with a buffer replaced by another.

    `indices` maps those of an access, `loaded` the new buffer's element to the old one's dtype,
    `stored` the other way round.
    """

    def change(node: Any) -> Any:
        key = compat.type_key(node)
        if key == "BufferLoad" and compat.load_buffer(node).same_as(old):
            return loaded(tirx.BufferLoad(new, indices(list(node.indices))))
        if key == "BufferStore" and node.buffer.same_as(old):
            return tirx.BufferStore(new, stored(node.value), indices(list(node.indices)))
        if key == "BufferRegion" and compat.region_buffer(node).same_as(old):
            return tirx.BufferRegion(new, indices(list(node.region)))
        return node

    body = rewrite.rewrite(function.body, change)
    body = rewrite.substitute(body, {old: new})
    params = [new if param.same_as(old) else param for param in function.params]
    return tirx.PrimFunc(params, body, function.ret_type, function.attrs)


class ChangeBufferDtype(FunctionMutator):
    """Widen the dtype of a buffer, with conversions at its loads and stores."""

    name = "change-buffer-dtype"

    def can_change(self, function: Any) -> bool:
        return any(str(b.ty.dtype) in WIDER for b in changeable(function, local=False))

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        buffers = [b for b in changeable(function, local=False) if str(b.ty.dtype) in WIDER]
        old = rng.choice(buffers)
        before = str(old.ty.dtype)
        after = rng.choice(WIDER[before])
        if before in NARROWER.values() and before in NARROWER and rng.random() < 0.3:
            after = NARROWER[before]
        return exchanged(
            function, old, like(old, dtype=after),
            loaded=lambda value: _converted(value, before),
            stored=lambda value: _converted(value, after),
        )  # fmt: skip


def _converted(value: Any, base: str) -> Any:
    lanes = lanes_of(compat.dtype_of(value))
    return tirx.Cast(base if lanes == 1 else f"{base}x{lanes}", value)


class TransposeBuffer(FunctionMutator):
    """Permute the dimensions of a local buffer."""

    name = "transpose-buffer"
    preserves_semantics = True

    def can_change(self, function: Any) -> bool:
        return bool(self._buffers(function))

    def _buffers(self, function: Any) -> list[Any]:
        scalar = _scalar_accesses(function)
        return [b for b in changeable(function, local=True) if len(b.ty.shape) > 1 and b in scalar]

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        old = rng.choice(self._buffers(function))
        order = list(range(len(old.ty.shape)))
        rng.shuffle(order)
        if order == sorted(order):
            order.reverse()
        shape = list(old.ty.shape)
        new = like(old, shape=[shape[dim] for dim in order])
        return exchanged(function, old, new, indices=lambda found: [found[dim] for dim in order])


def _scalar_accesses(function: Any) -> set[Any]:
    """The local buffers that are never accessed by vectors of elements."""
    local = {b for b in rewrite.bound_below(function.body) if compat.is_buffer(b)}

    def note(node: Any) -> None:
        key = compat.type_key(node)
        if key in ("BufferLoad", "BufferStore"):
            if any(lanes_of(compat.dtype_of(index)) != 1 for index in node.indices):
                local.discard(node.buffer if key == "BufferStore" else compat.load_buffer(node))

    compat.walk(function.body, note)
    return local


class PadBuffer(FunctionMutator):
    """Pad a local buffer with unused elements, at the end of each row or at its start."""

    name = "pad-buffer"
    preserves_semantics = True

    def can_change(self, function: Any) -> bool:
        return bool(changeable(function, local=True))

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        old = rng.choice(changeable(function, local=True))
        shape = list(old.ty.shape)
        dim = rng.randrange(len(shape))
        by = rng.choice([1, 2, 3, 8])
        front = rng.random() < 0.4
        dtype = compat.dtype_of(shape[dim])
        shape[dim] = tirx.IntImm(dtype, int(shape[dim]) + by)

        def moved(found: list[Any]) -> list[Any]:
            if not front:
                return found
            found[dim] = _offset(found[dim], by)
            return found

        return exchanged(function, old, like(old, shape=shape), indices=moved)


def _offset(index: Any, by: int) -> Any:
    if isinstance(index, compat.Range):
        return compat.Range.from_min_extent(_offset(index.min, by), index.extent)
    dtype = compat.dtype_of(index)
    if compat.type_key(index) == "Ramp":
        return tirx.Ramp(_offset(index.base, by), index.stride, index.lanes)
    amount: Any = tirx.IntImm(dtype.split("x")[0], by)
    if lanes_of(dtype) != 1:
        amount = tirx.Broadcast(amount, lanes_of(dtype))
    return tirx.Add(index, amount)


class ChangeStorageScope(FunctionMutator):
    """Change a local buffer's scope between "global" and "local", which are equal on a CPU."""

    name = "change-storage-scope"
    preserves_semantics = True

    def can_change(self, function: Any) -> bool:
        return bool(self._buffers(function))

    def _buffers(self, function: Any) -> list[Any]:
        known = ("", "global", "local")
        return [b for b in changeable(function, local=True) if str(b.ty.storage_scope) in known]

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        old = rng.choice(self._buffers(function))
        scope = "global" if str(old.ty.storage_scope) == "local" else "local"
        return exchanged(function, old, like(old, scope=scope))


class ChangeScalarDtype(FunctionMutator):
    """Widen the dtype of an integer parameter, with conversions where it is used."""

    name = "change-scalar-dtype"

    def can_change(self, function: Any) -> bool:
        return bool(self._params(function))

    def _params(self, function: Any) -> list[Any]:
        plain = [p for p in function.params if not compat.is_buffer(p)]
        return [p for p in plain if is_integer(compat.dtype_of(p)) and compat.dtype_of(p) in WIDER]

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        old = rng.choice(self._params(function))
        new = compat.Var(old.name, rng.choice(WIDER[compat.dtype_of(old)]))
        used = tirx.Cast(compat.dtype_of(old), new)
        body = tvm_ffi.structural_map(
            function.body, (compat.Var, lambda var: used if var.same_as(old) else var)
        )
        params = [new if param.same_as(old) else param for param in function.params]
        return tirx.PrimFunc(params, body, function.ret_type, function.attrs)
