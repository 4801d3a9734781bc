"""Narrows int64 to int32: WGSL has no 64-bit integers, and vectors hold twice as many of 32 bits.

A pass over kernels: parameters, buffers, loop variables, constants and all arithmetic. Constants
near the limits of int64 saturate: the largest means "to the end" in ONNX, the smallest initialises
a maximum. Any other that does not fit is a real value, and is rejected. The model's inputs stay
int64; the runtime rejects values that don't fit int32.

For a model whose integers may leave int32 (see onnx/ranges.py) and that runs on WebAssembly alone,
`wide` keeps what buffers hold, and is computed for them, in int64. Loop variables, indices and
extents are int32 there too.

Buffers of bool become int32 buffers of 0 and 1: WGSL can't store bool, and vectors have no such
elements. In arithmetic bool is not changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import tirx

from harness import compat
from harness.ir.rewrite import BINARY
from jitweb.errors import JitwebError

WIDE, NARROW = "int64", "int32"
STORED = {"int64": "int32", "bool": "int32"}
LIMITS = np.iinfo(np.int32)
ENDLESS = 1 << 62  # a number of at least this magnitude means "to the end"


class NotNarrowable(JitwebError):
    """A node that the pass does not support, or a constant that doesn't fit 32 bits, `number`."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


def narrow_function(function: Any, wide: bool = False) -> Any:
    """The PrimFunc with every int64 made int32; with `wide`, but those that buffers hold.

    Raises:
        NotNarrowable: it has a node that the pass does not support, or too large a constant.
    """
    narrowing = _Wide() if wide else _Narrowing()
    parameters = [narrowing.variable(parameter) for parameter in function.params]
    body = narrowing.statement(function.body)
    narrowed = tirx.PrimFunc(parameters, body)
    for name, value in (function.attrs or {}).items():
        narrowed = narrowed.with_attr(name, value)
    return narrowed


def narrow_array(array: np.ndarray, wide: bool = False) -> np.ndarray:
    """A bool array, and one of int64 unless they stay `wide`, as int32; any other unchanged.

    Raises:
        NotNarrowable: an element fits neither int32 nor is near a limit of int64.
    """
    if array.dtype == np.bool_:
        return array.astype(np.int32)
    if array.dtype != np.int64 or wide:
        return array
    clipped = np.clip(array, LIMITS.min, LIMITS.max)
    for number in array[clipped != array].tolist():
        narrow_integer(number)  # raises if it must not saturate
    return clipped.astype(np.int32)


def narrow_integer(number: int) -> int:
    """The number in int32; numbers near a limit of int64 become the limit of int32.

    Raises:
        NotNarrowable: it is neither.
    """
    if LIMITS.min <= number <= LIMITS.max:
        return number
    if abs(number) < ENDLESS:
        raise NotNarrowable(
            f"the constant {number} does not fit int32, in which kernels compute; "
            "export the model with integers of 32 bits, or tune it for wasm alone",
            number,
        )
    return LIMITS.max if number > 0 else LIMITS.min


def stored_dtype(dtype: str, wide: bool = False) -> str:
    """The dtype in which elements of this dtype are stored."""
    return dtype if wide and dtype == WIDE else STORED.get(dtype, dtype)


def narrow_dtype(dtype: str) -> str:
    return NARROW if dtype == WIDE else dtype


def _plain(name: str) -> str:
    """A name that code generators accept: those of an ONNX file may be any text."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


class _Narrowing:
    wide = False

    def __init__(self) -> None:
        self._variables: dict[Any, Any] = {}

    def variable(self, var: Any) -> Any:
        """The variable or buffer that replaces this one."""
        if var not in self._variables:
            self._variables[var] = self._renewed(var)
        return self._variables[var]

    def bound(self, var: Any) -> Any:
        """The variable that replaces one which holds a value."""
        return self.variable(var)

    def _renewed(self, var: Any) -> Any:
        if compat.is_buffer(var):
            shape = [self.expression(extent) for extent in var.ty.shape]
            dtype = stored_dtype(str(var.ty.dtype), self.wide)
            scope = str(var.ty.storage_scope)
            return tirx.decl_buffer(shape, dtype, name=_plain(var.name), scope=scope)
        return tirx.Var(_plain(var.name), narrow_dtype(compat.dtype_of(var)))

    def expression(self, node: Any) -> Any:
        kind = compat.type_key(node)
        if isinstance(node, compat.Var):
            return self.variable(node)
        if kind == "IntImm":
            if compat.dtype_of(node) != WIDE:
                return node
            return tirx.IntImm(NARROW, narrow_integer(int(node)))
        if kind in ("FloatImm", "StringImm"):
            return node
        if kind in BINARY:
            return type(node)(self.expression(node.a), self.expression(node.b))
        if kind == "Not":
            return tirx.Not(self.expression(node.a))
        if kind == "BitwiseNot":
            return ~self.expression(node.a)
        if kind == "Let":
            value = self.expression(node.value)
            return tirx.Let(self.variable(node.var), value, self.expression(node.body))
        if kind == "Cast":
            return self.expression(node.value).astype(narrow_dtype(compat.dtype_of(node)))
        if kind == "Select":
            parts = (node.condition, node.true_value, node.false_value)
            return tirx.Select(*(self.expression(part) for part in parts))
        if kind == "BufferLoad":
            buffer = self.variable(compat.load_buffer(node))
            load = tirx.BufferLoad(buffer, self._all(node.indices))
            is_bool = compat.dtype_of(node) == "bool"
            return tirx.NE(load, tirx.IntImm(NARROW, 0)) if is_bool else load
        if kind == "Call":
            return self._call(node)
        raise NotNarrowable(f"a kernel has a node of the kind {kind}; please report the model")

    def value(self, node: Any) -> Any:
        """What a buffer is given, or a condition tests."""
        return self.expression(node)

    def _all(self, nodes: Sequence[Any]) -> list[Any]:
        return [self.expression(node) for node in nodes]

    def _call(self, node: Any) -> Any:
        arguments = self._all(node.args)
        if compat.call_name(node) == "if_then_else":
            return tirx.if_then_else(*arguments)
        return tirx.call_intrin(narrow_dtype(compat.dtype_of(node)), node.op, *arguments)

    def statement(self, node: Any) -> Any:
        kind = compat.type_key(node)
        if kind == "SeqStmt":
            return tirx.SeqStmt([self.statement(each) for each in node.seq])
        if kind == "Bind":
            return tirx.Bind(self.bound(node.var), self.value(node.value))
        if kind == "For":
            return tirx.For(
                self.variable(node.loop_var),
                self.expression(node.min),
                self.expression(node.extent),
                node.kind,
                self.statement(node.body),
            )
        if kind == "BufferStore":
            buffer, value = self.variable(node.buffer), self.value(node.value)
            if str(node.buffer.ty.dtype) == "bool":
                value = value.astype(NARROW)
            return tirx.BufferStore(buffer, value, self._all(node.indices))
        if kind == "IfThenElse":
            other = None if node.else_case is None else self.statement(node.else_case)
            condition = self.value(node.condition)
            return tirx.IfThenElse(condition, self.statement(node.then_case), other)
        if kind == "SBlockRealize":
            return compat.SBlockRealize(
                self._all(node.iter_values),
                self.expression(node.predicate),
                self._block(node.block),
            )
        raise NotNarrowable(f"a kernel has a statement of the kind {kind}; please report the model")

    def _block(self, block: Any) -> Any:
        if block.match_buffers:
            raise NotNarrowable(
                "a kernel has a block with matched buffers; please report the model"
            )
        iter_vars = [
            tirx.IterVar(self._range(each.dom), self.variable(each.var), int(each.iter_type))
            for each in block.iter_vars
        ]
        return compat.SBlock(
            iter_vars,
            [self._region(region) for region in block.reads],
            [self._region(region) for region in block.writes],
            block.name_hint,
            self.statement(block.body),
            None if block.init is None else self.statement(block.init),
            [self.variable(buffer) for buffer in block.alloc_buffers],
            [],
            {},
        )

    def _range(self, extent: Any) -> Any:
        return compat.Range.from_min_extent(
            self.expression(extent.min), self.expression(extent.extent)
        )

    def _region(self, region: Any) -> Any:
        buffer = self.variable(compat.region_buffer(region))
        return tirx.BufferRegion(buffer, [self._range(extent) for extent in region.region])


class _Wide(_Narrowing):
    """Two forms of an expression: in int32, for an index; and a value, whose int64 stay as such."""

    wide = True

    def __init__(self) -> None:
        super().__init__()
        self._bound: set[Any] = set()

    def bound(self, var: Any) -> Any:
        if compat.dtype_of(var) == WIDE:
            self._bound.add(var)
        self._variables[var] = tirx.Var(_plain(var.name), compat.dtype_of(var))
        return self._variables[var]

    def expression(self, node: Any) -> Any:
        narrowed = super().expression(node)
        return narrowed.astype(NARROW) if compat.dtype_of(narrowed) == WIDE else narrowed

    def value(self, node: Any) -> Any:
        if compat.dtype_of(node) != WIDE and not self._reads_wide(node):
            return self.expression(node)
        kind = compat.type_key(node)
        if isinstance(node, compat.Var):
            return self.variable(node).astype(WIDE)
        if kind == "IntImm":
            return node
        if kind in BINARY:
            return type(node)(self.value(node.a), self.value(node.b))
        if kind == "Not":
            return tirx.Not(self.value(node.a))
        if kind == "BitwiseNot":
            return ~self.value(node.a)
        if kind == "Let":
            held = self.value(node.value)
            return tirx.Let(self.bound(node.var), held, self.value(node.body))
        if kind == "Cast":
            return self.value(node.value).astype(compat.dtype_of(node))
        if kind == "Select":
            parts = (node.condition, node.true_value, node.false_value)
            return tirx.Select(*(self.value(part) for part in parts))
        if kind == "Call":
            arguments = [self.value(each) for each in node.args]
            if compat.call_name(node) == "if_then_else":  # whose operands may be wider
                return tirx.if_then_else(*arguments).astype(compat.dtype_of(node))
            return tirx.call_intrin(compat.dtype_of(node), node.op, *arguments)
        return super().expression(node)  # a load

    def _reads_wide(self, node: Any) -> bool:
        """Whether an int64 of a buffer, one that was cast to it or named takes part in a value."""
        return any(
            compat.dtype_of(each) == WIDE
            if compat.type_key(each) in ("BufferLoad", "Cast")
            else isinstance(each, compat.Var) and each in self._bound
            for each in compat.nodes(node)
        )
