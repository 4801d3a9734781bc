"""Short words for making statements of TIR: loops, stores, local buffers, functions."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.loop_kinds import PARALLEL, SERIAL, THREAD_BINDING
from harness.ir.rewrite import substitute
from jitweb.errors import NotEquations
from jitweb.extent import Extent, at_length, ceil_div, extent_json, is_multiple, shape_at

LANES = 4  # float32 in a vector, of WebAssembly as of WGSL
GRID = "grid"  # the note of an extent
MOST_KEPT = 512  # functions at a length
THREAD_INDEX = 1  # tirx.IterVar.ThreadIndex


def index(name: str) -> Any:
    """A fresh loop variable."""
    return tirx.Var(name, "int32")


def constant(value: int) -> Any:
    """The number, or the expression of the length that an extent is."""
    if not isinstance(value, Extent):
        return tirx.IntImm("int32", value)
    product = None
    for divisor, terms in value.factors:
        factor = _polynomial(terms, length(value.most))
        if divisor > 1:  # towards zero, which is down, as nothing is negative
            factor = tirx.Div(factor + constant(divisor - 1), constant(divisor))
        product = factor if product is None else product * factor
    return product


def _polynomial(terms: Sequence[int], var: Any) -> Any:
    total = None
    for power, each in enumerate(terms):
        if each:
            factors = [*([] if each == 1 and power else [constant(each)]), *[var] * power]
            term = reduce(lambda a, b: a * b, factors)
            total = term if total is None else total + term
    return constant(0) if total is None else total


LENGTHS: dict[int, Any] = {}  # by what they may be at the most


def length(most: int) -> Any:
    """The variable of a length that is open: the last parameter of kernels that depend on it."""
    return LENGTHS.setdefault(most, tirx.Var("length", "int32"))


def lengths_in(extents: Iterable[int]) -> dict[Any, int]:
    """The variables of the lengths in these extents, with what each may be at the most."""
    return {length(each.most): each.most for each in extents if isinstance(each, Extent)}


def loop(var: Any, extent: Any, body: Any, kind: int = SERIAL) -> Any:
    """A loop from 0; one with a single iteration is the body itself, at 0."""
    return tirx.For(var, constant(0), _expression(extent), kind, body)


def loops(variables: Sequence[Any], extents: Sequence[int], body: Any) -> Any:
    """A loop over all of these variables, the last one innermost."""
    for var, extent in reversed(list(zip(variables, extents, strict=True))):
        body = loop(var, extent, body)
    return body


def loops_of(extents: Sequence[tuple[Any, int]], body: Any, kind: int) -> Any:
    """A loop over all of these variables, each with its extent, of the same kind."""
    for var, extent in reversed(extents):
        body = loop(var, extent, body, kind)
    return body


def bound(var: Any, extent: int, tag: str, body: Any) -> Any:
    """A loop whose iterations are the GPU's threads or workgroups of this tag, e.g. threadIdx.x.

    Where the extent depends on an open length, there are as many as for the most, and it is noted.
    """
    thread = tirx.IterVar(
        compat.Range.from_min_extent(0, int(extent)), tirx.Var(tag, "int32"), THREAD_INDEX, tag
    )
    note = {GRID: json.dumps(extent_json(extent))} if isinstance(extent, Extent) else {}
    return tirx.For(var, constant(0), constant(int(extent)), THREAD_BINDING, body, thread, note)


def load(buffer: Any, *indices: Any) -> Any:
    return tirx.BufferLoad(buffer, [_expression(each) for each in indices])


def store(buffer: Any, value: Any, *indices: Any) -> Any:
    return tirx.BufferStore(buffer, value, [_expression(each) for each in indices])


def _expression(value: Any) -> Any:
    return constant(value) if isinstance(value, int) else value


def sequence(statements: Sequence[Any]) -> Any:
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(list(statements))


def local(name: str, shape: Sequence[int], dtype: str = "float32") -> Any:
    """A buffer of one call's own: in registers where every index is constant, else on the stack.

    What depends on an open length is as large as for the most.
    """
    return tirx.decl_buffer(list(map(int, shape)), dtype, name=name, scope="local")


def with_locals(buffers: Sequence[Any], body: Any) -> Any:
    return sequence([*(tirx.AllocBuffer(buffer) for buffer in buffers), body])


def buffer(name: str, shape: Sequence[int], dtype: str) -> Any:
    return tirx.decl_buffer(list(map(constant, shape)), dtype, name=name)


def function(parameters: Sequence[Any], body: Any) -> Any:
    """A PrimFunc whose buffers don't overlap, as the plan sees to; a length comes after them."""
    lengths = lengths_in(extent for each in parameters for extent in shape_of(each))
    made = tirx.PrimFunc([*parameters, *lengths], body)
    return made.with_attr("tirx.noalias", True)


@lru_cache(MOST_KEPT)
def function_at(function: Any, length: int | None) -> Any:
    """What a function is at a length that it takes, without it; None is the most."""
    lengths = lengths_of(function)
    if not lengths:
        return function
    *buffers, var = function.params
    value = at_length(lengths[0], length)
    fixed = {
        each: buffer(each.name, shape_at(shape_of(each), value), str(each.ty.dtype))
        for each in buffers
    }
    # Buffers first: the length is in their types, too, which would be other ones after it.
    body = substitute(substitute(function.body, fixed), {var: constant(value)})
    return tirx.PrimFunc(list(fixed.values()), body, attrs=function.attrs)


def lengths_of(function: Any) -> list[int]:
    """The lengths that a function takes after its buffers, as extents."""
    extents = (extent_of(each) for each in function.params if not compat.is_buffer(each))
    return [each for each in extents if each is not None]


def rows_of(function: Any) -> int:
    """The extent of a function's outermost parallel loop.

    Raises:
        NotEquations: it is none that a plan could hold.
    """
    found = [
        node
        for node in compat.nodes(function.body)
        if compat.type_key(node) == "For" and int(node.kind) == PARALLEL
    ]
    rows = extent_of(found[-1].extent)
    if rows is None:
        raise NotEquations("its rows are no product of extents")
    return rows


def row_major(flat: Any, extents: Sequence[int]) -> list[Any]:
    """The indices of the element that comes after `flat` others in an array of these extents."""
    indices: list[Any] = []
    for axis, extent in reversed(list(enumerate(extents))):
        is_first = product(extents[:axis]) == 1  # what is left is less than the extent
        if extent == 1:
            indices.append(constant(0))
        elif is_first:
            indices.append(flat)
        else:
            indices.append(tirx.floormod(flat, constant(extent)))
            flat = tirx.floordiv(flat, constant(extent))
        if is_first:
            flat = constant(0)
    return indices[::-1]


def flat(indices: Sequence[Any], extents: Sequence[int]) -> Any:
    """How many elements come before the one of these indices in an array of these extents."""
    total = indices[0]
    for index, extent in zip(indices[1:], extents[1:], strict=True):
        total = total * constant(extent) + index
    return total


def divided(extent: int, width: int) -> tuple[Any, Any, Any]:
    """How many whole vectors there are in an extent, where they end, and how much is left.

    Numbers, or expressions of an open length.
    """
    if not isinstance(extent, Extent) or is_multiple(extent, width):
        whole = extent // width
        return whole, extent - extent % width, extent % width
    whole = tirx.Div(constant(extent), constant(width))
    end = whole * constant(width)
    return whole, end, constant(extent) - end


def product(extents: Sequence[int]) -> int:
    result = 1
    for extent in extents:
        result *= extent
    return result


def shape_of(parameter: Any) -> tuple[int, ...]:
    """Raises: NotEquations, if it depends on anything but an open length."""
    shape = []
    for expression in parameter.ty.shape:
        extent = extent_of(expression)
        if extent is None:
            raise NotEquations("a shape is not constant")
        shape.append(extent)
    return tuple(shape)


def extent_of(expression: Any) -> int | None:
    """The extent that an expression is: see `constant`; None if it is no such thing.

    A quotient is one that `constant` has made, which rounds up.
    """
    if isinstance(expression, compat.IntImm):
        return int(expression)
    if isinstance(expression, compat.Var):
        known = (most for most, var in LENGTHS.items() if var.same_as(expression))
        return next((Extent(most, ((1, (0, 1)),)) for most in known), None)
    make = {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul}
    kind = compat.type_key(expression)
    if kind not in make and kind != "Div":
        return None
    left, right = extent_of(expression.a), extent_of(expression.b)
    if left is None or right is None:
        return None
    return make[kind](left, right) if kind in make else ceil_div(left - (right - 1), right)
