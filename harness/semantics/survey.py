"""Survey: an analysis of a whole function before it is compiled.

It finds the storages that are accessed as several dtypes, those written inside concurrent loops,
and the allocations that belong to one iteration of a concurrent loop. The last is a rule of
schedulable TIR: an allocation of a block that is used in a single concurrent loop is private to its
iterations, as PlanAndUpdateBufferAllocationLocation moves it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import compat
from harness.ir.loop_kinds import CONCURRENT, THREAD_BINDING
from harness.semantics.dtypes import parse
from harness.semantics.errors import Unsupported

REDUCTION = 2  # IterVar.CommReduce
THREAD_ATTRIBUTES = ("thread_extent", "virtual_thread")


@dataclass
class Survey:
    """The results, by the hash of a buffer or loop variable."""

    roots: dict[int, int] = field(default_factory=dict)  # from an alias to the owning buffer
    dtypes: dict[int, set[str]] = field(default_factory=dict)
    # The concurrent loops around each owner's accesses, outermost first (those common to all).
    loops: dict[int, tuple[int, ...]] = field(default_factory=dict)
    written_concurrently: set[int] = field(default_factory=set)
    serialised: set[int] = field(default_factory=set)  # thread loops that carry a reduction
    has_concurrency: bool = False
    has_calls: bool = False

    def root(self, key: int) -> int:
        while key in self.roots:
            key = self.roots[key]
        return key

    def mixed(self, key: int) -> bool:
        """Whether the storage is accessed as more than one dtype."""
        return len(self.dtypes.get(self.root(key), ())) > 1

    def private_loop(self, key: int) -> int | None:
        """The concurrent loop to whose iterations the allocation is private, if any."""
        loops = self.loops.get(self.root(key), ())
        return loops[-1] if loops else None


def survey_function(function: Any, functions: Mapping[str, Any]) -> Survey:
    """Survey a PrimFunc and the functions of the module that it calls.

    Raises:
        Unsupported: a buffer over a pointer of unknown origin, or both calls and concurrent loops.
    """
    survey = Survey()
    for param in function.params:
        if compat.is_buffer(param):
            _record_dtype(param, hash(param), survey)
    _survey_body(function, {}, survey, functions, ())
    if survey.has_concurrency:
        if survey.has_calls:
            raise Unsupported("calls of functions beside concurrent loops")
        _survey_accesses(function.body, (), survey)
    return survey


def _record_dtype(buffer: Any, root: int, survey: Survey) -> None:
    scalar = parse(str(buffer.ty.dtype)).scalar
    survey.dtypes.setdefault(survey.root(root), set()).add(scalar)


def _survey_body(
    function: Any,
    pointers: dict[int, int],
    survey: Survey,
    functions: Mapping[str, Any],
    callers: tuple[str, ...],
) -> None:
    for statement in statements(function.body):
        key = compat.type_key(statement)
        if key == "For":
            survey.has_concurrency |= int(statement.kind) in CONCURRENT
        elif key == "AttrStmt":
            survey.has_concurrency |= str(statement.attr_key) in THREAD_ATTRIBUTES
        elif key == "AllocBuffer":
            _record_dtype(statement.buffer, hash(statement.buffer), survey)
        elif key == "Bind":
            owner = pointed_to(statement.value, pointers)
            if owner is not None:
                pointers[hash(statement.var)] = owner
        elif key == "DeclBuffer":
            owner = pointed_to(statement.data, pointers)
            if owner is None:
                raise Unsupported("a buffer declared over an unknown pointer")
            if owner != hash(statement.buffer):
                survey.roots[hash(statement.buffer)] = owner
            _record_dtype(statement.buffer, owner, survey)
        elif key == "SBlock":
            for buffer in statement.alloc_buffers:
                _record_dtype(buffer, hash(buffer), survey)
            for match in statement.match_buffers:
                survey.roots[hash(match.buffer)] = hash(compat.region_buffer(match.source))
        elif key == "Evaluate" and is_private_call(statement.value):
            _survey_call(statement.value, pointers, survey, functions, callers)


def _survey_call(
    call: Any,
    pointers: dict[int, int],
    survey: Survey,
    functions: Mapping[str, Any],
    callers: tuple[str, ...],
) -> None:
    name = str(call.op.name_hint)
    if name in callers or name not in functions:
        raise Unsupported(f"call of {name}, which is recursive or not in the module")
    survey.has_calls = True
    called = functions[name]
    if len(called.params) != len(call.args):
        raise Unsupported(f"call of {name} with another number of arguments than it takes")
    inner: dict[int, int] = {}
    for param, argument in zip(called.params, call.args, strict=True):
        owner = pointed_to(argument, pointers)
        if owner is not None:
            inner[hash(param)] = owner
            if compat.is_buffer(param):
                survey.roots[hash(param)] = survey.root(owner)
                _record_dtype(param, owner, survey)
    _survey_body(called, inner, survey, functions, (*callers, name))


def is_private_call(expression: Any) -> bool:
    """Whether the expression calls a function of the module."""
    return compat.type_key(expression) == "Call" and compat.type_key(expression.op) == "GlobalVar"


def statements(statement: Any) -> Iterable[Any]:
    """This statement and all statements nested in it, in pre-order."""
    stack = [statement]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(list(substatements(current))))


def substatements(statement: Any) -> Iterable[Any]:
    """The statements nested directly in this one."""
    key = compat.type_key(statement)
    if key == "SeqStmt":
        return list(statement.seq)
    if key == "SBlockRealize":
        return [statement.block]
    if key == "SBlock":
        return [part for part in (statement.init, statement.body) if part is not None]
    if key == "IfThenElse":
        parts = (statement.then_case, statement.else_case)
        return [part for part in parts if part is not None]
    return [statement.body] if key in ("For", "While", "AttrStmt") else []


def pointed_to(expression: Any, pointers: dict[int, int]) -> int | None:
    """The hash of the buffer whose data pointer the expression is, if any."""
    if compat.is_buffer(expression):
        return hash(expression)
    if compat.type_key(expression) == "Var":
        return pointers.get(hash(expression))
    if compat.type_key(expression) == "Call" and compat.type_key(expression.op) == "Op":
        if str(expression.op.name) == "tirx.buffer_data":
            return hash(expression.args[0])
    return None


def _survey_accesses(statement: Any, loops: tuple[int, ...], survey: Survey) -> None:
    key = compat.type_key(statement)
    if key == "For" and int(statement.kind) in CONCURRENT:
        variable = hash(statement.loop_var)
        if int(statement.kind) == THREAD_BINDING and _carries_reduction(statement):
            survey.serialised.add(variable)
        else:
            _expressions(statement, loops, survey)
            _survey_accesses(statement.body, (*loops, variable), survey)
            return
    if key == "AttrStmt" and str(statement.attr_key) in THREAD_ATTRIBUTES:
        loops = (*loops, hash(statement.node.var))
    if key == "BufferStore":
        root = survey.root(hash(statement.buffer))
        if loops:
            survey.written_concurrently.add(root)
        _record_access(root, loops, survey)
    _expressions(statement, loops, survey)
    for part in substatements(statement):
        _survey_accesses(part, loops, survey)


def _record_access(root: int, loops: tuple[int, ...], survey: Survey) -> None:
    known = survey.loops.get(root)
    if known is not None:
        common = 0
        while common < min(len(known), len(loops)) and known[common] == loops[common]:
            common += 1
        loops = loops[:common]
    survey.loops[root] = loops


_EXPRESSIONS = {
    "For": ("min", "extent"), "While": ("condition",), "IfThenElse": ("condition",),
    "BufferStore": ("value",), "Bind": ("value",), "Evaluate": ("value",),
    "AssertStmt": ("condition",), "AttrStmt": ("value",), "SBlockRealize": ("predicate",),
}  # fmt: skip


def _expressions(statement: Any, loops: tuple[int, ...], survey: Survey) -> None:
    """Record the buffers that the statement's own expressions read."""

    def record(node: Any) -> None:
        if isinstance(node, compat.BufferLoad):
            _record_access(survey.root(hash(compat.load_buffer(node))), loops, survey)

    key = compat.type_key(statement)
    for name in _EXPRESSIONS.get(key, ()):
        compat.walk(getattr(statement, name), record)
    if key == "BufferStore":
        for index in statement.indices:
            compat.walk(index, record)
    if key == "SBlockRealize":
        for value in statement.iter_values:
            compat.walk(value, record)


def _carries_reduction(loop: Any) -> bool:
    """Whether a block in the loop binds a reduction axis to the thread loop.

    Such a block is a cross-thread reduction; LowerCrossThreadReduction defines its meaning.
    """
    variable = hash(loop.loop_var)
    for statement in statements(loop.body):
        if compat.type_key(statement) != "SBlockRealize":
            continue
        for iter_var, value in zip(statement.block.iter_vars, statement.iter_values, strict=True):
            if int(iter_var.iter_type) != REDUCTION:
                continue
            if any(
                isinstance(node, compat.Var) and hash(node) == variable
                for node in compat.nodes(value)
            ):
                return True
    return False
