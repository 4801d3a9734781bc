"""Known failures of primitives: for which programs and arguments TVM's source says that they fail.

Each is described in docs/findings.md with its place in that source. A campaign draws what meets one
of them seldom (`tzer/mutate/schedules.py`), since a trace ends there and says nothing new. Where a
primitive is at fault, the condition that it met is part of the finding's signature, by which
`harness/oracles/known_issues.py` knows it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from harness import compat
from harness.case import PrimitiveCall
from harness.ir.ingredients import number_of
from harness.ir.loop_kinds import CONCURRENT
from harness.schedules.blocks import realize_of
from harness.schedules.draw import REDUCTION, Arguments, CannotDraw, Drawing, is_reduction
from harness.schedules.properties import (
    accesses,
    blocks_in,
    has_company,
    has_definitions,
    has_guarded_loads,
    has_guarded_stores,
    has_loaded_indices,
    has_loops,
    has_part_of_fused,
    has_undeclared_regions,
    has_wide_regions,
    is_guarded,
    is_nested,
    is_partial,
    is_written_elsewhere,
    loads_from,
    loop_of,
    starts_elsewhere,
    uses,
)
from harness.schedules.refusal import DoesNotApply
from harness.schedules.replay import Replay
from harness.targets.executable import RaisedByTVM, raised_by_tvm

Conditions = Iterator[str]


def known_failure(draw: Drawing, primitive: str, arguments: Arguments) -> str:
    """The condition under which the primitive is known to fail, if these arguments meet one."""
    conditions = _KNOWN.get(primitive)
    found = next(conditions(draw, arguments), "") if conditions is not None else ""
    if not found and any(isinstance(each, str) and " - " in each for each in arguments):
        return "reversed-axis"
    if not found and primitive in DEPENDENT and has_undeclared_regions(draw):
        return "undeclared-regions"
    return found


def condition_of(module: Any, call: PrimitiveCall) -> str:
    """The condition that the call meets in this module, as "primitive:condition", or ""."""
    try:
        with raised_by_tvm():
            draw = Drawing(Replay(module).schedule(call.function), random.Random(0))
            found = known_failure(draw, call.name, call.args)
    except (CannotDraw, DoesNotApply, LookupError, TypeError, ValueError, RaisedByTVM):
        return ""  # the arguments of a case from elsewhere may have any form
    return f"{call.name}:{found}" if found else ""


# Those that ask what blocks read and write.
DEPENDENT = frozenset({
    "merge", "compute_at", "compute_at_sampled", "reverse_compute_at", "compute_inline",
    "reverse_compute_inline", "fuse_reduction_epilogue", "cache_read", "cache_write",
    "cache_inplace", "cache_index", "reindex", "reindex_cache_read", "reindex_cache_write",
    "read_at", "write_at", "decompose_reduction", "rfactor", "decompose_padding", "pad_einsum",
    "blockize", "blockize_blocks", "tensorize", "transform_layout", "transform_block_layout",
    "rolling_buffer", "dlight", "meta_schedule",
})  # fmt: skip


def _guarded(draw: Drawing, arguments: Any) -> Conditions:
    if is_guarded(draw, arguments[0]):
        yield "guarded"


def _partitioned(draw: Drawing, arguments: Any) -> Conditions:
    loop = loop_of(draw, arguments[0])
    body = loop.body
    while compat.type_key(body) == "For":
        body = body.body
    if compat.type_key(body) != "SBlockRealize":
        yield "several-statements"
        return
    if len(blocks_in(loop)) > 1:
        yield "nested-blocks"
    if len(body.block.alloc_buffers):
        yield "allocations"
    if has_definitions(body.block) or len(body.block.match_buffers):
        yield "definitions"
    buffers = [compat.region_buffer(each) for each in (*body.block.reads, *body.block.writes)]
    if len({str(each.name) for each in buffers}) < len({hash(each) for each in buffers}):
        yield "same-names"
    if number_of(loop.min) != 0:
        yield "starts-elsewhere"
    if not any(value.same_as(loop.loop_var) for value in body.iter_values):
        yield "computed-variables"
    if is_nested(draw, arguments[0][0]):
        yield "nested-blocks"
    for axis, value in zip(body.block.iter_vars, body.iter_values, strict=True):
        if int(axis.iter_type) == REDUCTION and uses(value, loop.loop_var):
            yield "reduction"


def _blockized(draw: Drawing, arguments: Any) -> Conditions:
    loop = loop_of(draw, arguments[0])
    if starts_elsewhere(loop):
        yield "starts-elsewhere"
    for realize in blocks_in(loop):
        if number_of(realize.predicate) != 1:
            yield "guarded" if realize.block.init is None else "guarded-reduction"
        if has_part_of_fused(realize):
            yield "part-of-fused"


def _blockized_together(draw: Drawing, arguments: Any) -> Conditions:
    nodes = [draw.node(label) for label in arguments[0]]
    if any(node.init is not None for node in nodes):
        yield "reduction"
    if any(is_guarded(draw, label) for label in arguments[0]):
        yield "guarded"
    if len({len(node.iter_vars) for node in nodes}) > 1:
        yield "unlike-blocks"
    chains = [draw.loops(label) for label in arguments[0]]
    depth = 0
    while all(depth < len(chain) and chain[depth].same_as(chains[0][depth]) for chain in chains):
        depth += 1
    if any(len(blocks_in(chain[depth])) > 1 for chain in chains if depth < len(chain)):
        yield "other-blocks"


def _merged(draw: Drawing, arguments: Any) -> Conditions:
    """Loops of which one writes what another one accesses."""
    loops = [loop_of(draw, place) for place in arguments[0]]
    if any(one.same_as(other) for one, other in combinations(loops, 2)):
        yield "same-loop"
    for one, other in combinations(map(accesses, loops), 2):
        if one[1] & (other[0] | other[1]) or other[1] & one[0]:
            yield "dependence"
    body = draw.schedule.mod[draw.schedule.func_working_on.name_hint].body.block.body
    inside = [realize for loop in loops for realize in blocks_in(loop)]
    written = set().union(*(accesses(loop)[1] for loop in loops))
    for realize in blocks_in(body):
        others = not any(realize.same_as(each) for each in inside)
        if others and written & {hash(compat.region_buffer(each)) for each in realize.block.reads}:
            yield "dependence"


def _copied_at(draw: Drawing, arguments: Any) -> Conditions:
    realizes = blocks_in(loop_of(draw, arguments[0]))
    if is_nested(draw, arguments[1]):
        yield "nested-blocks"
    if len(realizes) > 1:
        yield "several-blocks"
    if any(number_of(realize.predicate) != 1 for realize in realizes):
        yield "guarded"
    if any(is_reduction(realize.block) for realize in realizes):
        yield "reduction"
    written = [compat.region_buffer(each) for each in draw.node(arguments[1]).writes]
    if any(draw.reads(arguments[1], buffer) for buffer in written):
        yield "updates"
    if any(has_guarded_loads(realize.block) for realize in realizes):
        yield "guarded-load"
    if any(len(realize.block.match_buffers) for realize in realizes):
        yield "match-buffers"
    if any(number_of(loop.min) != 0 for loop in draw.loops(arguments[1])):
        yield "starts-elsewhere"
    if not all(isinstance(loop.extent, compat.IntImm) for loop in draw.loops(arguments[1])):
        yield "symbolic"
    if compat.CHECKS_WIDTH_OF_EXTENTS and has_wide_regions(draw.node(arguments[1])):
        yield "wide-regions"


def _written_at(draw: Drawing, arguments: Any) -> Conditions:
    yield from _copied_at(draw, arguments)
    if has_guarded_stores(draw.node(arguments[1])):
        yield "guarded-store"


def _reindexed(draw: Drawing, arguments: Any) -> Conditions:
    label, (which, _) = arguments
    node = draw.node(label)
    if not draw.loops(label):
        yield "no-loops"
    if len(node.writes) != 1:
        yield "several-writes"
    elif which == "write" and is_written_elsewhere(draw, label):
        yield "several-writers"
    if any(draw.reads(label, compat.region_buffer(each)) for each in node.writes):
        yield "updates"
    if has_loops(node):
        yield "inner-loops"
    if has_company(draw, label):
        yield "several-blocks"
    if is_partial(draw, label) or is_guarded(draw, label):
        yield "partial-domain"
    if which == "read" and has_guarded_loads(node):
        yield "guarded-load"
    if which == "read" and has_loaded_indices(node):
        yield "loaded-indices"
    if which == "write" and has_guarded_stores(node):
        yield "guarded-store"


def _cached_index(draw: Drawing, arguments: Any) -> Conditions:
    node = draw.node(arguments[0])
    values = realize_of(draw.schedule, node).iter_values
    if is_guarded(draw, arguments[0]):
        yield "guarded"
    if any(number_of(loop.min) != 0 for loop in draw.loops(arguments[0])):
        yield "starts-elsewhere"
    if any(compat.type_key(value) != "Var" for value in values):
        yield "computed-variables"
    yield "one-variable" if len(node.iter_vars) == 1 else "several-variables"


def _fused_epilogue(draw: Drawing, arguments: Any) -> Conditions:
    """Any but a sum from zero, to which the epilogue adds a bias in place."""
    reduction, epilogue = map(draw.node, arguments)
    stores = (reduction.body, epilogue.body, reduction.init)
    if any(each is None or compat.type_key(each) != "BufferStore" for each in stores):
        return  # it is refused
    if compat.type_key(reduction.body.value) != "Add" or number_of(reduction.init.value) != 0:
        yield "not-a-sum"
    value = epilogue.body.value
    parts = (value.a, value.b) if compat.type_key(value) == "Add" else ()
    loads = [part for part in parts if loads_from(part, reduction.body.buffer)]
    if not loads or any(compat.type_key(part) != "BufferLoad" for part in loads):
        yield "not-a-bias"
        return
    if str(reduction.body.buffer.ty.dtype) != str(epilogue.body.buffer.ty.dtype):
        yield "other-dtype"
    if any(is_guarded(draw, label) for label in arguments):
        yield "guarded"
    _, later = _around(draw, arguments[0])
    written = [compat.region_buffer(each) for label in later for each in draw.node(label).writes]
    if any(draw.reads(arguments[1], buffer) for buffer in written):
        yield "later-inputs"
    (load,) = loads[:1]
    same = [one.same_as(two) for one, two in zip(load.indices, epilogue.body.indices, strict=False)]
    if len(load.indices) != len(epilogue.body.indices) or not all(same):
        yield "other-place"


def _padded_einsum(draw: Drawing, arguments: Any) -> Conditions:
    """What is no sum of products."""
    node = draw.node(arguments[0])
    if compat.type_key(node.body) == "BufferStore":
        value = node.body.value
        keys = {compat.type_key(part) for part in compat.nodes(value)}
        if not is_reduction(node) or compat.type_key(value) != "Add" or keys & NOT_IN_PRODUCTS:
            yield "not-an-einsum"
    if is_nested(draw, arguments[0]):
        yield "nested-blocks"
    if has_loops(node):
        yield "inner-loops"
    if is_guarded(draw, arguments[0]) or is_partial(draw, arguments[0]):
        yield "partial-domain"


NOT_IN_PRODUCTS = {
    "Call", "Select", "Cast", "Sub", "Div", "Mod", "FloorDiv", "FloorMod", "Max", "Min", "Let",
    "EQ", "NE", "LT", "LE", "GT", "GE", "And", "Or", "Not",
}  # fmt: skip


def _inlined_backwards(draw: Drawing, arguments: Any) -> Conditions:
    """A consumer of what others read as well."""
    reads = [compat.region_buffer(each) for each in draw.node(arguments[0]).reads]
    others = [label for label in draw.blocks if label != arguments[0]]
    if any(draw.reads(label, buffer) for label in others for buffer in reads):
        yield "other-readers"


def _around(draw: Drawing, block: str) -> tuple[list[str], list[str]]:
    """The blocks before one and those after it; none where it is not among those to draw."""
    blocks = list(draw.blocks)
    place = blocks.index(block) if block in blocks else None
    return ([], []) if place is None else (blocks[:place], blocks[place + 1 :])


def _moved_backwards(draw: Drawing, arguments: Any) -> Conditions:
    """A block whose results a block before the loop reads."""
    block, (label, _), *_ = arguments
    written = [compat.region_buffer(each) for each in draw.node(block).writes]
    before = [each for each in _around(draw, label)[0] if each != block]
    if any(draw.reads(each, buffer) for each in before for buffer in written):
        yield "readers-before"
    if has_guarded_loads(draw.node(block)):
        yield "guarded-load"
    if is_partial(draw, block):
        yield "partial-domain"


def _cached_inplace(draw: Drawing, arguments: Any) -> Conditions:
    if is_nested(draw, arguments[0]):
        yield "nested-blocks"


def _reindexed_cache(draw: Drawing, arguments: Any) -> Conditions:
    yield from _guarded(draw, arguments)
    node = draw.node(arguments[0])
    if not draw.loops(arguments[0]):
        yield "no-loops"
    if has_loops(node):
        yield "inner-loops"
    if has_guarded_stores(node):
        yield "guarded-store"
    if has_guarded_loads(node):
        yield "guarded-load"
    if has_loaded_indices(node):
        yield "loaded-indices"


def _cached(draw: Drawing, arguments: Any) -> Conditions:
    inside = [realize.block for realize in blocks_in(draw.node(arguments[0]).body)]
    if any(len(block.match_buffers) for block in (draw.node(arguments[0]), *inside)):
        yield "match-buffers"


def _cached_read(draw: Drawing, arguments: Any) -> Conditions:
    yield from _cached(draw, arguments)
    if is_nested(draw, arguments[0]):
        yield "nested-blocks"
    if _has_guarded_fusion(draw, arguments[0]):
        yield "guarded-fusion"


def _has_guarded_fusion(draw: Drawing, label: str) -> bool:
    values = realize_of(draw.schedule, draw.node(label)).iter_values
    parts = {compat.type_key(part) for value in values for part in compat.nodes(value)}
    return is_guarded(draw, label) and "FloorDiv" in parts


def _cached_write(draw: Drawing, arguments: Any) -> Conditions:
    yield from _cached(draw, arguments)
    if _has_guarded_fusion(draw, arguments[0]):
        yield "guarded-fusion"
    if has_guarded_stores(draw.node(arguments[0])):
        yield "guarded-store"


def _laid_out(draw: Drawing, arguments: Any) -> Conditions:
    yield from _guarded(draw, arguments)
    if is_partial(draw, arguments[0]):
        yield "partial-domain"


def _rolled(draw: Drawing, arguments: Any) -> Conditions:
    if any(int(loop.kind) in CONCURRENT for loop in draw.loops(arguments[0])):
        yield "concurrent"


def _moved(draw: Drawing, arguments: Any) -> Conditions:
    if any(len(draw.node(label).match_buffers) for label in draw.blocks):
        yield "tensorized"


def _padding_decomposed(draw: Drawing, arguments: Any) -> Conditions:
    if len(blocks_in(loop_of(draw, arguments[1]))) > 1:
        yield "several-blocks"


def _factored(draw: Drawing, arguments: Any) -> Conditions:
    yield from _guarded(draw, arguments[0])
    if number_of(loop_of(draw, arguments[0]).min) != 0:
        yield "starts-elsewhere"
    if len(draw.node(arguments[0][0]).writes) > 1:
        yield "several-writes"
    body = draw.schedule.mod[draw.schedule.func_working_on.name_hint].body.block.body
    if any(len(blocks_in(realize.block.body)) for realize in blocks_in(body)):
        yield "nested-blocks"


def _scheduled_whole(draw: Drawing, arguments: Any) -> Conditions:
    """By a rule of dlight, for the whole function."""
    if any(is_guarded(draw, label) for label in draw.blocks):
        yield "guarded"
    if any(is_partial(draw, label) for label in draw.blocks):
        yield "partial-domain"
    silent = any(not len(draw.node(label).writes) for label in draw.blocks)
    if silent and arguments[0] in ("adreno.Fallback", "cpu.GEMV"):
        yield "no-writes"


_KNOWN: dict[str, Callable[[Drawing, Any], Conditions]] = {
    "loop_partition": _partitioned,
    "merge": _merged,
    "blockize": _blockized,
    "blockize_blocks": _blockized_together,
    "read_at": _copied_at,
    "write_at": _written_at,
    "reindex": _reindexed,
    "reindex_cache_read": _reindexed_cache,
    "reindex_cache_write": _reindexed_cache,
    "compute_at": _moved,
    "rolling_buffer": _rolled,
    "cache_read": _cached_read,
    "cache_write": _cached_write,
    "cache_index": _cached_index,
    "cache_inplace": _cached_inplace,
    "fuse_reduction_epilogue": _fused_epilogue,
    "decompose_reduction": _guarded,
    "dlight": _scheduled_whole,
    "decompose_padding": _padding_decomposed,
    "rfactor": _factored,
    "pad_einsum": _padded_einsum,
    "reverse_compute_inline": _inlined_backwards,
    "reverse_compute_at": _moved_backwards,
    "transform_block_layout": _laid_out,
}
