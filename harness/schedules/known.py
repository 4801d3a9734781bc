"""Known failures of primitives: for which programs and arguments TVM's source says that they fail.

Each is described in docs/findings.md with its place in that source. What meets one of them is drawn
seldom (`tzer/mutate/schedules.py`), since a trace ends there and says nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import compat
from harness.ir.ingredients import number_of
from harness.schedules.blocks import realize_of
from harness.schedules.draw import REDUCTION, Arguments, Drawing, is_reduction


def known_failure(draw: Drawing, primitive: str, arguments: Arguments) -> bool:
    """Whether the primitive is known to fail on these arguments, or may be."""
    condition = _KNOWN.get(primitive)
    return condition is not None and condition(draw, arguments)


def _guarded(draw: Drawing, label: str) -> bool:
    """Whether the block runs under a predicate."""
    return number_of(realize_of(draw.schedule, draw.node(label)).predicate) != 1


def _loop_of(draw: Drawing, place: Any) -> Any:
    label, index = place
    return draw.loops(label)[index]


def _realizes(loop: Any) -> list[Any]:
    return [node for node in compat.nodes(loop) if compat.type_key(node) == "SBlockRealize"]


def _from_elsewhere(loop: Any) -> bool:
    return number_of(loop.min) != 0


def _inside_is_guarded(loop: Any) -> bool:
    return any(number_of(realize.predicate) != 1 for realize in _realizes(loop))


def _uses(expr: Any, var: Any) -> bool:
    return any(var.same_as(node) for node in compat.nodes(expr))


def _first_guarded(draw: Drawing, arguments: Any) -> bool:
    return _guarded(draw, arguments[0])


def _partitioned(draw: Drawing, arguments: Any) -> bool:
    """A loop with several statements or nested blocks, of a reduction, or that starts elsewhere."""
    loop = _loop_of(draw, arguments[0])
    realizes = _realizes(loop)
    body = loop.body
    while compat.type_key(body) == "For":
        body = body.body
    return (
        len(realizes) != 1
        or compat.type_key(body) != "SBlockRealize"
        or _from_elsewhere(loop)
        or realizes[0].block.init is not None
        or any(
            int(axis.iter_type) == REDUCTION and _uses(value, loop.loop_var)
            for axis, value in zip(
                realizes[0].block.iter_vars, realizes[0].iter_values, strict=True
            )
        )
    )


def _blockized(draw: Drawing, arguments: Any) -> bool:
    """A loop from elsewhere than zero, or a reduction under a predicate."""
    loop = _loop_of(draw, arguments[0])
    starts = [node for node in compat.nodes(loop) if compat.type_key(node) == "For"]
    return any(map(_from_elsewhere, starts)) or any(
        realize.block.init is not None and number_of(realize.predicate) != 1
        for realize in _realizes(loop)
    )


def _blockized_together(draw: Drawing, arguments: Any) -> bool:
    """Blocks of which one is a reduction, whose init gets lost, or of unlike loops."""
    nodes = [draw.node(label) for label in arguments[0]]
    return (
        any(node.init is not None or is_reduction(node) for node in nodes)
        or any(_guarded(draw, label) for label in arguments[0])
        or len({len(node.iter_vars) for node in nodes}) > 1
    )


def _merged(draw: Drawing, arguments: Any) -> bool:
    """One loop twice, or loops of blocks of which one writes what another one accesses."""
    loops = [_loop_of(draw, place) for place in arguments[0]]
    accessed: list[set[int]] = []
    written: list[set[int]] = []
    for loop in loops:
        blocks = [realize.block for realize in _realizes(loop)]
        writes = {hash(compat.region_buffer(each)) for block in blocks for each in block.writes}
        reads = {hash(compat.region_buffer(each)) for block in blocks for each in block.reads}
        written.append(writes)
        accessed.append(reads | writes)
    pairs = [(one, other) for one in range(len(loops)) for other in range(one)]
    return any(
        loops[one].same_as(loops[other])
        or written[one] & accessed[other]
        or written[other] & accessed[one]
        for one, other in pairs
    )


def _copied_at(draw: Drawing, arguments: Any) -> bool:
    """A loop around a predicate, a reduction, or several accesses of the buffer."""
    loop = _loop_of(draw, arguments[0])
    realizes = _realizes(loop)
    return (
        len(realizes) != 1
        or _inside_is_guarded(loop)
        or is_reduction(realizes[0].block)
        or _is_conditional(realizes[0].block)
        or any(map(_from_elsewhere, draw.loops(arguments[1])))
    )


def _is_conditional(block: Any) -> bool:
    """Whether loads in the block may be guarded."""
    return any(
        compat.type_key(node) == "IfThenElse"
        or (compat.type_key(node) == "Call" and compat.call_name(node) == "if_then_else")
        for node in compat.nodes(block.body)
    )


def _reindexed(draw: Drawing, arguments: Any) -> bool:
    """A guarded read, a block under a predicate, one that reads what it writes, or an argmin."""
    label, (which, index) = arguments
    node = draw.node(label)
    buffers = [compat.region_buffer(each) for each in node.reads]
    return (
        _guarded(draw, label)
        or len(node.writes) != 1
        or (which == "read" and _is_conditional(node))
        or any(compat.region_buffer(node.writes[0]).same_as(buffer) for buffer in buffers)
    )


def _cached_index(draw: Drawing, arguments: Any) -> bool:
    """Indices of other blocks than those whose variables are loops of their own."""
    node = draw.node(arguments[0])
    realize = realize_of(draw.schedule, node)
    names = [compat.type_key(value) for value in realize.iter_values]
    return (
        _guarded(draw, arguments[0])
        or len(node.iter_vars) != 1
        or set(names) != {"Var"}
        or any(map(_from_elsewhere, draw.loops(arguments[0])))
    )


def _fused_epilogue(draw: Drawing, arguments: Any) -> bool:
    """Any but a sum from zero, to which the epilogue adds a bias in place."""
    reduction, epilogue = map(draw.node, arguments)
    bodies = [reduction.body, epilogue.body]
    if any(compat.type_key(body) != "BufferStore" for body in bodies) or reduction.init is None:
        return False  # it is refused
    value = epilogue.body.value
    dtypes = {str(body.buffer.ty.dtype) for body in bodies}
    return (
        compat.type_key(reduction.body.value) != "Add"
        or compat.type_key(reduction.init) != "BufferStore"
        or number_of(reduction.init.value) != 0
        or compat.type_key(value) != "Add"
        or "BufferLoad" not in (compat.type_key(value.a), compat.type_key(value.b))
        or len(dtypes) > 1
        or any(_guarded(draw, label) for label in arguments)
        or not _same_places(epilogue.body, reduction.body.buffer)
    )


def _same_places(store: Any, source: Any) -> bool:
    """Whether a store writes what it reads of the source to the same indices."""
    loads = [
        node
        for node in compat.nodes(store.value)
        if compat.type_key(node) == "BufferLoad" and compat.load_buffer(node).same_as(source)
    ]
    return all(
        len(load.indices) == len(store.indices)
        and all(one.same_as(other) for one, other in zip(load.indices, store.indices, strict=True))
        for load in loads
    )


def _decomposed(draw: Drawing, arguments: Any) -> bool:
    return _guarded(draw, arguments[0])


def _padded_einsum(draw: Drawing, arguments: Any) -> bool:
    """What is no sum of products, or lies in another block."""
    node = draw.node(arguments[0])
    if compat.type_key(node.body) != "BufferStore":
        return False
    value = node.body.value
    if not is_reduction(node) or compat.type_key(value) != "Add":
        return True
    operations = {compat.type_key(part) for part in compat.nodes(value)}
    return not operations <= {"Add", "Mul", "BufferLoad", "Var", "IntImm", "BufferType"}


def _inlined_backwards(draw: Drawing, arguments: Any) -> bool:
    """A consumer of what others read as well."""
    reads = [compat.region_buffer(each) for each in draw.node(arguments[0]).reads]
    others = [label for label in draw.blocks if label != arguments[0]]
    return any(draw.reads(label, buffer) for label in others for buffer in reads)


def _moved_backwards(draw: Drawing, arguments: Any) -> bool:
    """A block whose results a block before the loop reads."""
    block, (label, _), *_ = arguments
    written = [compat.region_buffer(each) for each in draw.node(block).writes]
    before = draw.blocks[: draw.blocks.index(label)]
    return any(draw.reads(each, buffer) for each in before for buffer in written if each != block)


_KNOWN: dict[str, Callable[[Drawing, Any], bool]] = {
    "loop_partition": _partitioned,
    "merge": _merged,
    "blockize": _blockized,
    "blockize_blocks": _blockized_together,
    "read_at": _copied_at,
    "write_at": _copied_at,
    "reindex": _reindexed,
    "reindex_cache_read": _first_guarded,
    "reindex_cache_write": _first_guarded,
    "cache_index": _cached_index,
    "fuse_reduction_epilogue": _fused_epilogue,
    "decompose_reduction": _decomposed,
    "rfactor": lambda draw, arguments: _guarded(draw, arguments[0][0]),
    "pad_einsum": _padded_einsum,
    "reverse_compute_inline": _inlined_backwards,
    "reverse_compute_at": _moved_backwards,
    "transform_block_layout": _first_guarded,
}
