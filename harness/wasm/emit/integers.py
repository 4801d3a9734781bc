"""Integers as sums of multiples, and what is known of their bounds.

An index is a sum such as 24576 outer + 4 k + 12. Sums are kept apart until something needs their
value: then what belongs to outer loops is added there, and an address leaves its constant to the
instruction that uses it.
"""

from __future__ import annotations

from harness.wasm.emit.graph import CodeRegion, Pointers, ValueGraph, ValueNode
from harness.wasm.emit.opcodes import CONVERSIONS

Terms = dict[ValueNode, int]


def parts(node: ValueNode) -> tuple[Terms, int]:
    """The sum that a node is: its terms and its constant."""
    if node.value is not None:
        return {}, node.value
    if node.terms is not None:
        return node.terms, node.constant
    return {node: 1}, 0


def added(graph: ValueGraph, a: ValueNode, b: ValueNode, factor: int = 1) -> ValueNode:
    """a + factor b."""
    terms, constant = parts(a)
    more, other = parts(b)
    if more:
        terms = dict(terms)
        for node, times in more.items():
            total = terms.get(node, 0) + factor * times
            if total:
                terms[node] = total
            else:
                del terms[node]
    return total_of(graph, a.type, terms, constant + factor * other)


def multiplied(graph: ValueGraph, a: ValueNode, b: ValueNode) -> ValueNode:
    if a.value is not None:
        a, b = b, a
    if b.value is None:
        product = graph.scalar(a.type, "mul", value_of(graph, a), value_of(graph, b))
        if is_natural(a) and is_natural(b):
            product.low = 0
        return product
    terms, constant = parts(a)
    if b.value == 0:
        return b
    scaled = {node: times * b.value for node, times in terms.items()}
    return total_of(graph, a.type, scaled, constant * b.value)


def total_of(graph: ValueGraph, type_: str, terms: Terms, constant: int) -> ValueNode:
    if not terms:
        return graph.integer(type_, constant)
    if constant == 0 and len(terms) == 1:
        ((node, times),) = terms.items()
        if times == 1:
            return node
    key = (type_, constant, frozenset(terms.items()))
    known = graph.sums.get(key)
    if known is None:
        home = max((node.home for node in terms), key=lambda region: region.depth)
        known = graph.sums[key] = ValueNode(b"", type_, (), home, 0)
        known.terms, known.constant = terms, constant
        known.low, known.high = bounds(terms, constant)
    return known


def bounds(terms: Terms, constant: int) -> tuple[int | None, int | None]:
    """The least and the greatest value of a sum that doesn't overflow."""
    low: int | None = constant
    high: int | None = constant
    for node, times in terms.items():
        least, most = (node.low, node.high) if times > 0 else (node.high, node.low)
        low = None if low is None or least is None else low + times * least
        high = None if high is None or most is None else high + times * most
    return low, high


def is_natural(node: ValueNode) -> bool:
    """Whether an integer is known not to be negative."""
    return node.low is not None and node.low >= 0


def value_of(graph: ValueGraph, node: ValueNode) -> ValueNode:
    """A node with an instruction, for a sum: what belongs outside is added first."""
    if node.terms is None:
        return node
    made = _summed(graph, node.type, node.terms, node.constant)
    if made.terms is None and made.low is None:
        made.low, made.high = node.low, node.high
    return made


def _summed(graph: ValueGraph, type_: str, terms: Terms, constant: int) -> ValueNode:
    order = sorted(terms, key=lambda node: (node.home.depth, node.number))
    total: ValueNode | None = None
    for node in order:
        times = terms[node]
        if total is None:
            total = _scaled(graph, node, times)
            if constant:
                total = graph.scalar(type_, "add", total, graph.integer(type_, constant))
        elif times == -1:
            total = graph.scalar(type_, "sub", total, node)
        else:
            total = graph.scalar(type_, "add", total, _scaled(graph, node, times))
    assert total is not None
    return total


def _scaled(graph: ValueGraph, node: ValueNode, times: int) -> ValueNode:
    if times == 1:
        return node
    if times > 0 and times & (times - 1) == 0:
        return graph.scalar(
            node.type, "shl", node, graph.integer(node.type, times.bit_length() - 1)
        )
    return graph.scalar(node.type, "mul", node, graph.integer(node.type, times))


def address(
    graph: ValueGraph, base: ValueNode, index: ValueNode, size: int, constant: int
) -> tuple[ValueNode, int]:
    """The address base + size index + constant, as a node and the offset of an instruction.

    The machine adds the offset to the node's value as to a number without sign, so it is 0 unless
    the index without its constant is known not to be negative.
    """
    known = graph.region.branch.addresses
    key = (base, index, size, constant)
    if key not in known:
        known[key] = _address(graph, base, index, size, constant)
    return known[key]


def _address(
    graph: ValueGraph, base: ValueNode, index: ValueNode, size: int, constant: int
) -> tuple[ValueNode, int]:
    terms, fixed = parts(index)
    fixed = fixed * size + constant
    total: Terms = {base: 1}
    for node, times in terms.items():
        if node.type == "i64":
            node = graph.op(CONVERSIONS["i64", "i32"], "i32", node)
            total[node] = total.get(node, 0) + times * size
        else:
            total[node] = times * size
    low, _ = bounds(terms, 0)
    offset = fixed if fixed >= 0 and low is not None and low >= 0 else 0
    return _pointer(graph, total, fixed - offset), offset


def _pointer(graph: ValueGraph, terms: Terms, constant: int) -> ValueNode:
    """The sum, by a pointer that an innermost loop moves on if its counter is a term."""
    deepest = max((node.home for node in terms), key=lambda region: region.depth)
    pointers = deepest.pointers
    if pointers is None or pointers.counter not in terms:
        return _summed(graph, "i32", terms, constant)
    inside = {node: times for node, times in terms.items() if node.home is deepest}
    step = inside.pop(pointers.counter)
    outside = {node: times for node, times in terms.items() if node.home is not deepest}
    moving = _moving(graph, deepest, pointers, outside, constant, step)
    return _summed(graph, "i32", {moving: 1, **inside}, 0) if inside else moving


def _moving(
    graph: ValueGraph, body: CodeRegion, pointers: Pointers, terms: Terms, constant: int, step: int
) -> ValueNode:
    here, graph.region = graph.region, body.parent or body
    more, first = parts(pointers.start)
    terms = dict(terms)
    for node, times in more.items():
        terms[node] = terms.get(node, 0) + times * step
    base = _summed(graph, "i32", terms, constant + first * step)
    graph.region = here
    known = pointers.found.get((base, step))
    if known is None:
        known = pointers.found[base, step] = graph.held(graph.new_local("i32"), body)
        graph.use(base, body.parent or body)
    return known
