"""The scope at each place of a PrimFunc: variables with their intervals, buffers, restrictions.

`sites` lists every expression and statement of a function with its path and its Scope. Mutators
choose a site and build new code from the variables and buffers of its scope; the program generator
builds the same Scope while it generates. Intervals are conservative.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import (
    Interval,
    input_interval,
    interval,
    is_float,
    is_integer,
    is_pure_call,
    lanes_of,
    limits,
)
from harness.ir.loop_kinds import CONCURRENT
from harness.ir.rewrite import Path


@dataclass(frozen=True)
class Variable:
    """A scalar variable and, for an integer, the interval of its values."""

    var: Any
    dtype: str
    interval: Interval | None = None
    is_loop: bool = False


@dataclass(frozen=True)
class Memory:
    """A buffer in scope.

    `fixed` maps a dimension to the variable that must index it, if each iteration of an enclosing
    parallel loop or block may only access the elements of its own index.
    """

    buffer: Any
    dtype: str
    shape: tuple[int, ...]
    readable: bool = True
    writable: bool = True
    interval: Interval | None = None
    finite: bool = False
    fixed: tuple[tuple[int, Any], ...] = ()


@dataclass(frozen=True)
class Scope:
    """The variables and buffers that code at a place may use, and the loops around it."""

    variables: tuple[Variable, ...] = ()
    memories: tuple[Memory, ...] = ()
    loops: tuple[int, ...] = ()
    in_block: bool = False

    def with_variable(self, variable: Variable) -> Scope:
        """The scope with one more variable."""
        return replace(self, variables=(*self.variables, variable))

    def with_memory(self, memory: Memory) -> Scope:
        """The scope with one more buffer, or the same buffer in another state."""
        rest = tuple(m for m in self.memories if not m.buffer.same_as(memory.buffer))
        return replace(self, memories=(*rest, memory))

    @property
    def concurrent(self) -> bool:
        """Whether iterations of the code may run at the same time or in any order."""
        return any(kind in CONCURRENT for kind in self.loops)

    def interval_of(self, var: Any) -> Interval | None:
        """The range of a variable, if it is known."""
        for variable in self.variables:
            if variable.var.same_as(var):
                return variable.interval
        return None

    def memory_of(self, buffer: Any) -> Memory | None:
        """The buffer's entry."""
        for memory in self.memories:
            if memory.buffer.same_as(buffer):
                return memory
        return None


@dataclass(frozen=True)
class Guard:
    """The innermost index that a site is part of: its path, and the dimension that bounds it.

    `owned`: the index must not change, because no other element may be accessed there.
    """

    path: Path
    extent: int | None
    owned: bool
    scope: Scope


@dataclass(frozen=True)
class Site:
    """One place in a function. `role` is the use of its value.

    Roles: "value"; "condition" of a branch; "statement"; and those whose value is restricted:
    "while" condition, "counter" (stored to a buffer that such a condition reads), "bound" of a
    loop, "binding" and "predicate" of a block, "argument" of a call with requirements of its own. A
    role applies to everything nested in it. Parts of an index have the role "value" and a guard.
    """

    node: Any
    path: Path
    scope: Scope
    role: str
    guard: Guard | None = None

    @property
    def key(self) -> str:
        """The name of the node's class."""
        return compat.type_key(self.node)

    @property
    def dtype(self) -> str:
        """The dtype of an expression."""
        return compat.dtype_of(self.node)


@dataclass
class _Walk:
    written: set[Any]
    counters: set[Any]
    stored: set[Any] = field(default_factory=set)
    sites: list[Site] = field(default_factory=list)


def parameter_scope(function: Any, written: set[Any]) -> Scope:
    """The scope of the parameters, with the intervals of generated inputs."""
    variables, memories = [], []
    for param in function.params:
        if compat.is_buffer(param):
            memories.append(_memory(param, written, readable=True))
        elif is_integer(dtype := compat.dtype_of(param)) or dtype == "bool":
            variables.append(Variable(param, dtype, input_interval(dtype)))
        elif is_float(dtype):
            variables.append(Variable(param, dtype))
    return Scope(tuple(variables), tuple(m for m in memories if m is not None))


def _memory(buffer: Any, written: set[Any], readable: bool) -> Memory | None:
    shape = compat.static_shape(buffer)
    dtype = str(buffer.ty.dtype)
    if shape is None or lanes_of(dtype) != 1 or "handle" in dtype or 0 in shape:
        return None
    constant = buffer not in written
    interval: Interval | None = None
    if dtype == "bool" or is_integer(dtype):
        interval = input_interval(dtype) if constant and readable else limits(dtype)
    finite = constant and readable and is_float(dtype)
    return Memory(buffer, dtype, shape, readable, True, interval, finite)


def written_buffers(function: Any) -> set[Any]:
    """The buffers that the function stores to, or whose pointers it passes on."""
    found: set[Any] = set()

    def note(node: Any) -> None:
        key = compat.type_key(node)
        if key == "BufferStore":
            found.add(node.buffer)
        elif key == "Call":
            found.update(arg for arg in node.args if compat.is_buffer(arg))
        elif key == "SBlock":
            found.update(compat.region_buffer(match.source) for match in node.match_buffers)

    compat.walk(function.body, note)
    return found


def sites(function: Any) -> list[Site]:
    """Every expression and statement of the function, parents before children."""
    walk = _Walk(written_buffers(function), counters_of(function))
    scope = parameter_scope(function, walk.written)
    _visit(walk, Site(function.body, (("body", None),), scope, "statement"))
    return walk.sites


def _visit(walk: _Walk, site: Site) -> None:
    walk.sites.append(site)
    node, path, scope, key = site.node, site.path, site.scope, site.key
    if key == "SeqStmt":
        for index, statement in enumerate(node.seq):
            before = len(walk.stored)
            _visit(walk, Site(statement, (*path, ("seq", index)), scope, "statement"))
            scope = _after(walk, statement, scope, len(walk.stored) != before)
        return
    inner: Scope | None = None
    for step, child in rewrite.children(node):
        below = (*path, step)
        if step[0] in BODIES:
            # Evaluated late: the variable that the node defines is only in scope in its body.
            inner = _inside(walk, node, key, scope) if inner is None else inner
            role = site.role if key == "Let" else "statement"
            _visit(walk, Site(child, below, inner, role, site.guard))
            continue
        guard = site.guard
        if step[0] == "indices":
            buffer = node.buffer if key == "BufferStore" else compat.load_buffer(node)
            shape = compat.static_shape(buffer)
            extent = shape[step[1] or 0] if shape is not None else None
            guard = Guard(below, extent, _is_owned(key, buffer, scope), scope)
        role = _role(node, key, step, site.role)
        if key == "BufferStore" and node.buffer in walk.counters:
            role = "counter"
        _visit(walk, Site(child, below, scope, role, guard))
    if key == "BufferStore":
        walk.stored.add(node.buffer)


def _is_owned(key: str, buffer: Any, scope: Scope) -> bool:
    """Whether only the element at this index may be accessed, to avoid a data race.

    This holds if each instance of a block or concurrent loop writes its own elements, because it
    may then only read these.
    """
    if not (scope.in_block or scope.concurrent):
        return False
    memory = scope.memory_of(buffer)
    return key == "BufferStore" or (memory is not None and not memory.readable)


def counters_of(function: Any) -> set[Any]:
    """The buffers that conditions of while loops read, whose values end the loops."""
    found: set[Any] = set()

    def note(node: Any) -> None:
        if compat.type_key(node) == "While":
            loads = (n for n in compat.nodes(node.condition) if compat.is_buffer(n))
            found.update(loads)

    compat.walk(function.body, note)
    return found


BODIES = frozenset({"body", "init", "block", "then_case", "else_case"})


def _after(walk: _Walk, statement: Any, scope: Scope, stores: bool) -> Scope:
    key = compat.type_key(statement)
    if key == "Bind":
        dtype = compat.dtype_of(statement.var)
        if dtype != "handle" and dtype != "void":
            found = interval(statement.value, scope)
            scope = scope.with_variable(Variable(statement.var, dtype, found))
    elif key == "AllocBuffer":
        memory = _memory(statement.buffer, walk.written, readable=False)
        scope = scope if memory is None else scope.with_memory(memory)
    if stores:
        changed = tuple(
            m if m.readable or m.buffer not in walk.stored else replace(m, readable=True)
            for m in scope.memories
        )
        scope = replace(scope, memories=changed)
    return scope


def _inside(walk: _Walk, node: Any, key: str, scope: Scope) -> Scope:
    if key == "For":
        inner = loop_scope(scope, node)
        return _isolated(inner, node) if int(node.kind) in CONCURRENT else inner
    if key == "Let":
        found = interval(node.value, scope)
        return scope.with_variable(Variable(node.var, compat.dtype_of(node.var), found))
    if key == "SBlock":
        own = tuple(_block_variable(iter_var, scope) for iter_var in node.iter_vars)
        # A block without variables of its own uses those of the loops around it.
        params = tuple(v for v in scope.variables if not (own and v.is_loop))
        memories = scope.memories
        for buffer in node.alloc_buffers:
            memory = _memory(buffer, walk.written, readable=False)
            memories = memories if memory is None else (*memories, memory)
        inside = scope.in_block or bool(own)
        inner = Scope((*params, *own), memories, scope.loops, inside)
        return _isolated(inner, node) if own else inner
    return scope


def _isolated(scope: Scope, node: Any) -> Scope:
    """The scope inside `node`, whose instances must not have data races with each other.

    New code there must not write to shared buffers, nor read what another instance writes.
    """
    written: set[Any] = set()

    def note(below: Any) -> None:
        if compat.type_key(below) == "BufferStore":
            written.add(below.buffer)

    compat.walk(node, note)
    inner = set(node.alloc_buffers) if compat.type_key(node) == "SBlock" else set()
    memories = tuple(
        m if m.buffer in inner
        else replace(m, writable=False, readable=m.readable and m.buffer not in written)
        for m in scope.memories
    )  # fmt: skip
    return replace(scope, memories=memories)


def _block_variable(iter_var: Any, scope: Scope) -> Variable:
    var = iter_var.var
    low = interval(iter_var.dom.min, scope)
    size = interval(iter_var.dom.extent, scope)
    found = (low[0], low[1] + max(size[1], 1) - 1) if low and size else None
    return Variable(var, compat.dtype_of(var), found)


def loop_scope(scope: Scope, loop: Any) -> Scope:
    """The scope of a loop's body."""
    low = interval(loop.min, scope)
    size = interval(loop.extent, scope)
    found = (low[0], low[1] + max(size[1], 1) - 1) if low and size else None
    variable = Variable(loop.loop_var, compat.dtype_of(loop.loop_var), found, is_loop=True)
    return replace(scope.with_variable(variable), loops=(*scope.loops, int(loop.kind)))


def _role(node: Any, key: str, step: Any, role: str) -> str:
    if key == "Call" and compat.type_key(node.op) == "GlobalVar":
        return "value"  # what it passes to a function of the module
    if role not in ("statement", "value", "condition"):
        return role
    name = step[0]
    if key == "For":
        return "bound"
    if key == "While":
        return "while"
    if key in ("AttrStmt", "Return", "Evaluate"):
        return "argument"
    if key == "SBlockRealize":
        return "binding" if name == "iter_values" else "predicate"
    if key == "Call" and not is_pure_call(node):
        return "argument"
    return "condition" if key == "IfThenElse" and name == "condition" else "value"
