"""What statements mean: effects of the graph's regions, in their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.wasm.emit.graph import Branch, CodeRegion, Counting, Loop, Phi, Pointers, ValueNode
from harness.wasm.emit.integers import added, value_of
from harness.wasm.emit.memory import empty, store
from harness.wasm.emit.opcodes import CONVERSIONS
from harness.wasm.emit.program import NotCovered
from harness.wasm.emit.promotion import Writes
from harness.wasm.emit.translation import Translation, Value, Vector

Fields = dict[str, Any]
ALIGNMENT = 16
VECTORIZED = 2
# Iterations done at once: until they store so many vectors, if there are as many such left.
MOST_UNROLLED, VECTORS_AT_ONCE, LEAST_ITERATIONS = 4, 16, 2
IGNORED_CALLS = frozenset({"tvm_storage_sync", "assume"})


def statement(t: Translation, number: int) -> None:
    kind, fields = t.program.kinds[number], t.program.fields[number]
    rule = STATEMENTS.get(kind)
    if rule is None:
        raise NotCovered(kind)
    rule(t, fields | {"number": number} if kind in ("For", "While", "IfThenElse") else fields)


def _sequence(t: Translation, fields: Fields) -> None:
    for each in fields["seq"]:
        statement(t, each)


def _attribute(t: Translation, fields: Fields) -> None:
    key = fields["key"]
    if key in ("thread_extent", "virtual_thread"):
        raise NotCovered(f"the attribute {key}")
    statement(t, fields["body"])


def _allocate(t: Translation, fields: Fields) -> None:
    buffer = fields["buffer"]
    if buffer in t.slots or buffer in t.memories:
        return
    dtype = t.program.dtype(buffer)
    size = t.program.buffer_elements(buffer) * dtype.bytes * dtype.lanes
    place = t.memories[buffer] = t.memory(t.frame_pointer, t.frame)
    region: CodeRegion | None = t.graph.region
    while region is not None:
        if region.loop is not None:
            region.loop.written.add(place.number)
        region = region.parent
    t.frame += -(-size // ALIGNMENT) * ALIGNMENT


def _declare(t: Translation, fields: Fields) -> None:
    buffer, data = fields["buffer"], fields["data"]
    refuse_layout(t, buffer)
    if t.program.kinds[data] == "Call" and t.call_name(data) == "buffer_data":
        (data,) = t.program.fields[data]["args"]
    if data not in t.memories:
        raise NotCovered("a buffer of a pointer that is computed")
    t.memories[buffer] = t.memories[data]


def refuse_layout(t: Translation, buffer: int) -> None:
    """Raises: NotCovered, where elements don't lie side by side from the buffer's address on."""
    if not t.program.is_compact(buffer):
        raise NotCovered("a buffer with strides or an offset")


def _bind(t: Translation, fields: Fields) -> None:
    value = t.value(fields["value"])
    t.values[fields["var"]] = value
    for node in _nodes(value):
        t.graph.define(node)


def _evaluate(t: Translation, fields: Fields) -> None:
    number = fields["value"]
    if t.program.kinds[number] == "Call" and t.call_name(number) not in IGNORED_CALLS:
        raise NotCovered(f"the call {t.call_name(number)} for its effects")


def _nodes(value: Value) -> list[ValueNode]:
    return value.pieces if isinstance(value, Vector) else [value]


def _changed(t: Translation, buffers: Iterable[int]) -> list[ValueNode]:
    """The loads that stores to these buffers may make invalid; none of them is used again."""
    found: list[ValueNode] = []
    for place in {t.memories[each].number: t.memories[each] for each in buffers}.values():
        found += place.loads
        place.loads = []
        place.state += 1
    return found


def _known(t: Translation, writes: Writes) -> set[int]:
    """The buffers of these that are there before; others are allocated inside."""
    return {each for each in writes.buffers if each in t.memories}


def _loop(t: Translation, fields: Fields) -> None:
    step = 1
    if fields["step"]:
        step = t.program.constant(fields["step"]) or 0
    if fields["is_bound"] or fields["kind"] == VECTORIZED:
        raise NotCovered("a loop of threads or of vectors")
    if step < 1:
        raise NotCovered("a step that is not a positive constant")
    start, extent = t.index(fields["min"]), t.index(fields["extent"])
    if fields["number"] == t.row_loop:
        begin, end = t.row_ends
        if start.type == "i64":
            begin, end = (
                t.graph.op(CONVERSIONS["i32_u", "i64"], "i64", each) for each in (begin, end)
            )
        start, extent = added(t.graph, start, begin), added(t.graph, end, begin, -1)
    if extent.value is not None and extent.value <= step:
        if extent.value > 0:
            t.values[fields["loop_var"]] = start
            statement(t, fields["body"])
        return
    _counted(t, fields, start, extent, step)


def _counted(
    t: Translation, fields: Fields, start: ValueNode, extent: ValueNode, step: int
) -> None:
    graph, region = t.graph, t.graph.region
    writes: Writes = t.writes[fields["number"]]
    loop = Loop(CodeRegion(region), _changed(t, _known(t, writes)))
    loop.written = {t.memories[each].number for each in _known(t, writes)}
    times, rest = _unrolled(writes, extent, step)
    stop = added(graph, start, added(graph, extent, graph.integer(extent.type, rest), -1))
    loop.is_entered = extent.value is not None
    local = graph.new_local(start.type)
    counter = graph.held(local, loop.body)
    counter.low, counter.high = start.low, None if stop.high is None else stop.high - 1
    ends = value_of(graph, start), value_of(graph, stop)
    for each in ends:
        graph.use(each, region)
    loop.counting = Counting(counter, local, *ends, times * step)
    if not writes.has_loop and start.type == "i32":
        loop.body.pointers = Pointers(counter, start)
    _begin(t, loop, region, writes)
    _repeat(t, fields, counter, range(0, times * step, step))
    _end(t, loop, region, writes)
    _repeat(t, fields, stop, range(0, rest, step))


def _repeat(t: Translation, fields: Fields, first: ValueNode, places: range) -> None:
    for place in places:
        t.values[fields["loop_var"]] = added(t.graph, first, t.graph.integer(first.type, place))
        statement(t, fields["body"])


def _unrolled(writes: Writes, extent: ValueNode, step: int) -> tuple[int, int]:
    """How many iterations an innermost loop does at once, and what extent is left after it.

    V8 asks in each iteration whether it is to stop, which costs as much as a few instructions.
    """
    times = 1
    if not writes.has_loop and extent.value is not None:
        while times < MOST_UNROLLED and 2 * times * writes.vectors <= VECTORS_AT_ONCE:
            if 2 * times * step * LEAST_ITERATIONS > extent.value:
                break
            times *= 2
    return times, 0 if extent.value is None else extent.value % (times * step)


def _while(t: Translation, fields: Fields) -> None:
    region, writes = t.graph.region, t.writes[fields["number"]]
    loop = Loop(CodeRegion(region), _changed(t, _known(t, writes)))
    _begin(t, loop, region, writes)
    loop.condition = t.scalar(fields["condition"])
    t.graph.use(loop.condition, loop.body)
    loop.asked = len(loop.body.effects)
    statement(t, fields["body"])
    _end(t, loop, region, writes)


def _begin(t: Translation, loop: Loop, region: CodeRegion, writes: Writes) -> None:
    """Enter a loop: what it changes is in a local from here."""
    graph = t.graph
    for slot in sorted(writes.slots):
        value = t.current.get(slot) or empty(t, slot[0], slot[2])
        held = []
        for node in _nodes(value):
            graph.use(node, region)
            loop.phis.append(Phi(graph.new_local(node.type), node))
            held.append(graph.held(loop.phis[-1].local, loop.body))
        t.current[slot] = _like(value, held)
    region.effects.append(loop)
    region.open, graph.region = loop, loop.body


def _like(value: Value, nodes: list[ValueNode]) -> Value:
    return Vector(nodes, value.lane, value.lanes) if isinstance(value, Vector) else nodes[0]


def _end(t: Translation, loop: Loop, region: CodeRegion, writes: Writes) -> None:
    graph, phis = t.graph, iter(loop.phis)
    for slot in sorted(writes.slots):
        value, after = t.current[slot], []
        for node in _nodes(value):
            graph.use(node, loop.body)
            phi = next(phis)
            phi.next = node
            after.append(graph.held(phi.local, region))
        t.current[slot] = _like(value, after)
    pointers = loop.body.pointers
    for (base, step), node in pointers.found.items() if pointers else ():
        loop.pointers.append((node, base, step))
    graph.region, region.open = region, None
    _changed(t, _known(t, writes))


def _branch(t: Translation, fields: Fields) -> None:
    graph, region = t.graph, t.graph.region
    condition = t.scalar(fields["condition"])
    writes: Writes = t.writes[fields["number"]]
    cases = [fields["then_case"], fields["else_case"]]
    if condition.value is not None:
        taken = cases[0 if condition.value else 1]
        if taken:
            statement(t, taken)
        return
    graph.use(condition, region)
    changed = _changed(t, _known(t, writes))
    bodies = [CodeRegion(region, is_branch=True) for _ in cases]
    branch = Branch(condition, bodies[0], bodies[1], changed)
    region.effects.append(branch)
    region.open = branch
    before, results = dict(t.current), []
    for case, body in zip(cases, bodies, strict=True):
        t.current, graph.region = dict(before), body
        if case:
            statement(t, case)
        _changed(t, _known(t, writes))
        values = [
            t.current.get(slot) or empty(t, slot[0], slot[2]) for slot in sorted(writes.slots)
        ]
        for value in values:
            for node in _nodes(value):
                graph.use(node, body)
        results.append(values)
    graph.region, region.open, t.current = region, None, before
    for slot, yes, no in zip(sorted(writes.slots), *results, strict=True):
        t.current[slot] = _like(yes, _merged(t, branch, _nodes(yes), _nodes(no)))


def _merged(
    t: Translation, branch: Branch, yes: list[ValueNode], no: list[ValueNode]
) -> list[ValueNode]:
    found = []
    for one, other in zip(yes, no, strict=True):
        phi = Phi(t.graph.new_local(one.type), other)
        phi.next = one
        branch.phis.append(phi)
        found.append(t.graph.held(phi.local, t.graph.region))
    return found


def _nothing(t: Translation, fields: Fields) -> None:
    """An assertion holds in every program that means anything."""


STATEMENTS = {
    "SeqStmt": _sequence, "AttrStmt": _attribute, "AllocBuffer": _allocate, "DeclBuffer": _declare,
    "Bind": _bind, "Evaluate": _evaluate, "For": _loop, "While": _while, "IfThenElse": _branch,
    "BufferStore": store, "AssertStmt": _nothing, "Alias": _nothing,
}  # fmt: skip
