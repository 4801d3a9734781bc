"""Equations: a fused PrimFunc as a list of equations, from which the kernel families are built.

The importer's kernels are sequences of loop nests around blocks. Here each block becomes an
Equation, `buffer[spatial] = value`, reduced over some variables, and elementwise equations are
substituted into those that read them. A few equations remain: a matmul and its epilogue, or the
reductions of a softmax and its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import Any, TypeVar

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.rewrite import children, refresh, replace_at, substitute
from jitweb.errors import NotEquations
from jitweb.space import emit

REDUCTION = 2  # tirx.IterVar.CommReduce
SHORT = (compat.BufferLoad, compat.IntImm, compat.FloatImm, compat.Var)
Read = TypeVar("Read")
MOST_READ = 512  # functions whose equations are kept: more than the kernels of a model


@dataclass(frozen=True)
class Equation:
    """`buffer[spatial] = value` for all spatial variables, accumulated over the reduced ones.

    `init` is the initial value of a reduction, else None. Extents are in elements.
    """

    name: str
    buffer: Any
    spatial: tuple[Any, ...]
    extents: tuple[int, ...]
    reduced: tuple[Any, ...]
    reduced_extents: tuple[int, ...]
    value: Any
    init: Any = None

    @property
    def is_reduction(self) -> bool:
        return self.init is not None


@dataclass(frozen=True)
class EquationSystem:
    """A function as equations. `outputs` are those of its parameters that it writes."""

    function: Any
    equations: tuple[Equation, ...]

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The function's buffers; a length that is open comes after them."""
        return tuple(each for each in self.function.params if compat.is_buffer(each))

    @property
    def outputs(self) -> tuple[Any, ...]:
        written = [equation.buffer for equation in self.equations]
        return tuple(p for p in self.parameters if any(p.same_as(buffer) for buffer in written))

    def is_output(self, equation: Equation) -> bool:
        return any(equation.buffer.same_as(parameter) for parameter in self.parameters)


def read_once(read: Callable[..., Read]) -> Callable[..., Read]:
    """A function that reads a PrimFunc, with what it returned or raised kept for the next time.

    Packing, cost, bounds of indices and each target's candidates all begin with the equations.
    """

    @lru_cache(MOST_READ)
    def outcome(*arguments: Any) -> Read | NotEquations:
        try:
            return read(*arguments)
        except NotEquations as error:
            return error

    @wraps(read)
    def known(*arguments: Any) -> Read:
        found = outcome(*arguments)
        if isinstance(found, NotEquations):
            raise NotEquations(*found.args)
        return found

    return known


@read_once
def read_equations(function: Any) -> EquationSystem:
    """The function's blocks as equations, in their order.

    Raises:
        NotEquations: a block is not of the form `buffer[its spatial variables] = value`.
    """
    body = function.body
    if compat.type_key(body) == "SBlockRealize":
        body = body.block.body
    nests = body.seq if compat.type_key(body) == "SeqStmt" else [body]
    return EquationSystem(function, tuple(_read_nest(nest) for nest in nests))


def _read_nest(nest: Any) -> Equation:
    extents: dict[Any, int] = {}
    while compat.type_key(nest) == "For":
        extents[nest.loop_var] = _constant(nest.extent)
        nest = nest.body
    if (
        compat.type_key(nest) != "SBlockRealize"
        or compat.type_key(nest.block.body) != "BufferStore"
    ):
        raise NotEquations("a block does more than one store")
    block, store = nest.block, nest.block.body
    for value in nest.iter_values:
        if not (isinstance(value, compat.Var) and value in extents) and _constant(value) != 0:
            raise NotEquations("a block's variables are not those of its loops")
    spatial = [iv for iv in block.iter_vars if int(iv.iter_type) != REDUCTION]
    reduced = [iv for iv in block.iter_vars if int(iv.iter_type) == REDUCTION]
    indices = list(store.indices)
    if not indices and all(_constant(iv.dom.extent) == 1 for iv in spatial):
        spatial = []  # a scalar's block has a variable that stands for nothing
    if len(indices) != len(spatial) or not all(
        index.same_as(iv.var) for index, iv in zip(indices, spatial, strict=True)
    ):
        raise NotEquations("a block stores elsewhere than at its own variables")
    init = None if block.init is None else block.init.value
    return Equation(
        str(block.name_hint),
        store.buffer,
        tuple(iv.var for iv in spatial),
        tuple(_constant(iv.dom.extent) for iv in spatial),
        tuple(iv.var for iv in reduced),
        tuple(_constant(iv.dom.extent) for iv in reduced),
        store.value,
        init,
    )


def _constant(expression: Any) -> int:
    extent = emit.extent_of(expression)
    if extent is None:
        raise NotEquations("an extent is not a constant")
    return extent


@read_once
def inlined(function: Any, kept: AbstractSet[Any] = frozenset()) -> EquationSystem:
    """The function's equations, with every elementwise one substituted where it is read.

    Outputs, reductions and those of the buffers `kept` stay.

    Raises:
        NotEquations: see `read_equations`.
    """
    system = read_equations(function)
    substituted: dict[Any, Equation] = {}
    equations: list[Equation] = []
    for equation in system.equations:
        if equation.is_reduction or system.is_output(equation) or equation.buffer in kept:
            value = _with_loads(equation.value, substituted)
            equations.append(_simplified(replace(equation, value=value)))
        else:
            substituted[equation.buffer] = equation
    return replace(system, equations=tuple(equations))


def _with_loads(value: Any, inlined: dict[Any, Equation]) -> Any:
    """The value with loads of these buffers replaced by the values of their equations.

    The last one first: so all that read an earlier one are there when it is its turn, and what
    several of them read is held once.
    """

    def replaced(load: Any) -> Any:
        if not compat.load_buffer(load).same_as(equation.buffer):
            return load
        places = dict(zip(equation.spatial, load.indices, strict=True))
        return substitute(refresh(equation.value), places)

    every = loads(value)
    for equation in reversed(inlined.values()):
        found = [load for load in every if compat.load_buffer(load).same_as(equation.buffer)]
        if not found:
            continue
        if not isinstance(equation.value, SHORT):
            for load in _repeated(found):
                value = _held(value, load)
        value = tvm_ffi.structural_map(value, (compat.BufferLoad, replaced))
        every = loads(value)
    return value


def _repeated(same: Sequence[Any]) -> list[Any]:
    """Those of a buffer's loads that are there several times, once each."""
    if not same or not compat.dtype_of(same[0]).startswith("float"):
        return []  # what indexes stays where it is seen
    return [
        load
        for number, load in enumerate(same)
        if not any(_is_same(load, each) for each in same[:number])
        and any(_is_same(load, each) for each in same[number + 1 :])
    ]


def _is_same(left: Any, right: Any) -> bool:
    """Whether they are the same, of the same buffers: a release of TVM takes any two for equal."""
    if not tvm_ffi.structural_equal(left, right):
        return False
    pairs = zip(loads(left), loads(right), strict=True)
    return all(compat.load_buffer(a).same_as(compat.load_buffer(b)) for a, b in pairs)


def _held(value: Any, load: Any) -> Any:
    """The value with a load that it repeats in a variable: else chains of kernels double in length.

    It is bound around the smallest part that has all of them, if that reads it in any case.
    """
    path: list[Any] = []
    part = value
    while True:
        containing = [(step, each) for step, each in children(part) if _has(each, load)]
        if len(containing) != 1 or _is_same(part, load):
            break
        step, part = containing[0]
        path.append(step)
    if not _is_always_read(part, load):
        return value
    var = tirx.Var("repeated", compat.dtype_of(load))

    def replaced(found: Any) -> Any:
        return var if _is_same(found, load) else found

    bound = tirx.Let(var, load, tvm_ffi.structural_map(part, (compat.BufferLoad, replaced)))
    return replace_at(value, tuple(path), bound) if path else bound


def _has(value: Any, load: Any) -> bool:
    return any(_is_same(each, load) for each in loads(value))


def _is_always_read(value: Any, load: Any) -> bool:
    """Whether no condition keeps the value from reading this element."""
    if isinstance(value, compat.BufferLoad) and _is_same(value, load):
        return True
    parts = [each for _, each in children(value)]
    is_call = isinstance(value, compat.Call) and compat.call_name(value) == "if_then_else"
    if is_call or compat.type_key(value) == "Select":
        parts = parts[:1]  # the condition
    return any(_is_always_read(each, load) for each in parts)


def _simplified(equation: Equation) -> Equation:
    variables = equation.spatial + equation.reduced
    extents = equation.extents + equation.reduced_extents
    ranges = dict(zip(variables, extents, strict=True))
    value = simplify(_plain_conditions(equation.value), ranges)
    return replace(equation, value=_plain_conditions(value))  # those that were hidden before


def _plain_conditions(value: Any) -> Any:
    """The value with TOPI's form of a condition, `0 < cast(condition)`, replaced by the condition.

    TVM's WGSL code generator fails on such a cast in a vector.
    """

    def replaced(node: Any) -> Any:
        is_positive = isinstance(node.a, compat.IntImm) and int(node.a) == 0
        if is_positive and compat.type_key(node.b) == "Cast":
            if compat.dtype_of(node.b.value) == "bool":
                return node.b.value
        return node

    return tvm_ffi.structural_map(value, (tirx.LT, replaced))


def simplify(value: Any, extents: Mapping[Any, int]) -> Any:
    """The expression, simplified for variables in [0, extent).

    What it binds stays bound: the analyzer would put each pure value wherever its variable stands.
    """
    analyzer = compat.analyzer()
    for var, most in emit.lengths_in(extents.values()).items():
        analyzer.bind(var, compat.Range.from_min_extent(1, most))
    for var, extent in extents.items():
        if extent == 1:
            analyzer.bind(var, tirx.IntImm(compat.dtype_of(var), 0))
        else:
            analyzer.bind(var, compat.Range.from_min_extent(0, emit.constant(extent)))
    bindings: dict[Any, Any] = {}  # by what stands for each, the inner ones first

    def stand_in(let: Any) -> Any:
        parts = (substitute(analyzer.simplify(each), bindings) for each in (let.value, let.body))
        var = tirx.Var("bound", compat.dtype_of(let))
        bindings[var] = tirx.Let(let.var, *parts)
        return var

    outer = tvm_ffi.structural_map(value, (tirx.Let, stand_in))
    return substitute(analyzer.simplify(outer), bindings)


def loads(value: Any) -> list[Any]:
    """Every load in an expression."""
    # By its class itself: isinstance takes a hundred times as long to say no.
    return [node for node in compat.nodes(value) if type(node) is compat.BufferLoad]


def reads(value: Any, buffers: Sequence[Any]) -> bool:
    """Whether the expression loads from one of these buffers."""
    return any(
        compat.load_buffer(load).same_as(buffer) for load in loads(value) for buffer in buffers
    )


def index_bounds(function: Any) -> dict[int, int]:
    """For each parameter whose elements are indices: the smallest extent that they index."""
    try:
        system = inlined(function)
    except NotEquations:
        return {}
    positions = {parameter: position for position, parameter in enumerate(system.parameters)}
    bounds: dict[int, int] = {}
    for equation in system.equations:
        for load in loads(equation.value):
            shape = emit.shape_of(compat.load_buffer(load))
            for index, extent in zip(load.indices, shape, strict=True):
                for inner in loads(index):
                    position = positions.get(compat.load_buffer(inner))
                    if position is not None:
                        bounds[position] = min(extent, bounds.get(position, extent))
    return bounds
