"""Values that an expression uses several times, in small buffers in the place of variables.

TVM's analyzer puts the value of a pure `Let` wherever its variable stands, in each of the passes
that simplify, so that a chain of them doubles in length with each link; and VectorizeLoop binds
twice the variables of what it makes no vectors of. A store to a buffer as wide as the vector is
neither: LLVM keeps it in registers.

What an if_then_else keeps from being computed, as an element that is not there, is held for itself,
under the same condition; all that is made of it is computed in any case, in vectors. Where the
place of such an element has variables itself, the loop stays one of single elements.
"""

from __future__ import annotations

from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.loop_kinds import SERIAL, VECTORIZED
from harness.ir.rewrite import children, substitute, with_child, with_fields
from jitweb.space import emit

DIVISIONS = frozenset({"Div", "Mod", "FloorDiv", "FloorMod"})


def with_held_values(function: Any) -> Any:
    """The function without blocks, with the variables of its stores' values in buffers."""

    def of_vector(loop: Any) -> Any:
        if int(loop.kind) != VECTORIZED or compat.type_key(loop.body) != "BufferStore":
            return loop
        return _held(loop.body, loop)

    def of_element(store: Any) -> Any:
        return _held(store, None)

    body = tvm_ffi.structural_map(function.body, (tirx.For, of_vector))
    return function.with_body(tvm_ffi.structural_map(body, (tirx.BufferStore, of_element)))


def _held(store: Any, loop: Any) -> Any:
    """A store, or the vector loop around it, after stores of the values that it uses."""
    flat = _Flat()
    value = flat.expression(store.value)
    if not flat.values:
        return store if loop is None else loop
    if loop is not None and any(map(_has_variables, flat.values.values())):
        return with_fields(loop, kind=SERIAL)  # of what VectorizeLoop makes no vectors it errs
    width = 1 if loop is None else int(loop.extent)
    lane = emit.constant(0) if loop is None else loop.loop_var
    buffers = {var: emit.local(var.name, (width,), compat.dtype_of(var)) for var in flat.values}

    def loaded(var: Any) -> Any:
        return emit.load(buffers[var], lane) if var in buffers else var

    def in_buffers(value: Any) -> Any:
        return tvm_ffi.structural_map(value, (compat.Var, loaded))

    stores = [emit.store(buffers[var], in_buffers(each), lane) for var, each in flat.values.items()]
    stores.append(tirx.BufferStore(store.buffer, in_buffers(value), list(store.indices)))
    body = emit.sequence(stores)
    if loop is not None:
        body = emit.loop(lane, width, body, VECTORIZED)
    return emit.with_locals(list(buffers.values()), body)


class _Flat:
    """Takes the variables out of an expression: `values`, each after those that it uses."""

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}
        self._known: dict[Any, Any] = {}

    def expression(self, node: Any, conditions: tuple[Any, ...] = ()) -> Any:
        """The expression without variables; `conditions` are those that it is computed under."""
        key = (node, *conditions)  # the same element may be there under one of them alone
        if key not in self._known:
            self._known[key] = self._made(node, conditions)
        return self._known[key]

    def _made(self, node: Any, conditions: tuple[Any, ...]) -> Any:
        if compat.type_key(node) == "Let":
            var, body = node.var, node.body
            value = self.expression(node.value, conditions)
            if var in self.values:  # under another condition
                var = tirx.Var(var.name, compat.dtype_of(var))
                body = substitute(body, {node.var: var})
            self.values[var] = value
            return self.expression(body, conditions)
        if conditions and _may_trap(node):
            safe = tirx.if_then_else(
                tirx.all(*conditions), node, tirx.const(0, compat.dtype_of(node))
            )
            var = tirx.Var("held", compat.dtype_of(node))
            self.values[var] = safe
            return var
        parts = list(children(node))
        if isinstance(node, compat.Call) and compat.call_name(node) == "if_then_else":
            return self._choice(node, parts, conditions)
        for step, part in parts:
            node = _with_part(node, step, part, self.expression(part, conditions))
        return node

    def _choice(self, node: Any, parts: list[Any], conditions: tuple[Any, ...]) -> Any:
        (first, asked), *branches = parts
        condition = self.expression(asked, conditions)
        node = _with_part(node, first, asked, condition)
        if not any(_has_variables(part) for _, part in branches):
            return node
        cases = (condition, tirx.Not(condition))
        for (step, part), case in zip(branches, cases, strict=True):
            node = _with_part(node, step, part, self.expression(part, (*conditions, case)))
        return node


def _with_part(node: Any, step: Any, part: Any, new: Any) -> Any:
    return node if new.same_as(part) else with_child(node, step, new)


def _has_variables(value: Any) -> bool:
    return any(compat.type_key(each) == "Let" for each in compat.nodes(value))


def _may_trap(node: Any) -> bool:
    kind = compat.type_key(node)
    is_whole = kind in DIVISIONS and not compat.dtype_of(node).startswith("float")
    return kind == "BufferLoad" or is_whole
