"""Known failures of primitives: for which programs and arguments TVM's source says that they fail.

Each is described in docs/findings.md with its place in that source. A campaign draws what meets one
of them seldom (`tzer/mutate/schedules.py`), since a trace ends there and says nothing new. Where a
primitive is at fault, the condition that it met is part of the finding's signature, by which
`harness/oracles/known_issues.py` knows it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from typing import Any

from harness import compat
from harness.case import PrimitiveCall
from harness.ir.ingredients import number_of
from harness.ir.loop_kinds import CONCURRENT
from harness.schedules.blocks import realize_of
from harness.schedules.draw import REDUCTION, Arguments, CannotDraw, Drawing, is_reduction
from harness.schedules.known_copies import (
    Conditions,
    cached_index,
    cached_inplace,
    cached_read,
    cached_write,
    copied_at,
    guarded,
    reindexed,
    reindexed_cache,
    written_at,
)
from harness.schedules.properties import (
    accesses,
    blocks_in,
    has_company,
    has_definitions,
    has_guarded_loads,
    has_loops,
    has_part_of_fused,
    has_undeclared_regions,
    is_guarded,
    is_nested,
    is_partial,
    loads_from,
    loop_of,
    starts_elsewhere,
    uses,
)
from harness.schedules.refusal import DoesNotApply
from harness.schedules.replay import Replay
from harness.targets.executable import RaisedByTVM, raised_by_tvm


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
    regions = (*body.block.reads, *body.block.writes)
    parts = [each for region in regions for each in region.region]
    if any(number_of(each.extent) != 1 or compat.type_key(each.min) != "Var" for each in parts):
        yield "several-places"


def _blockized(draw: Drawing, arguments: Any) -> Conditions:
    loop = loop_of(draw, arguments[0])
    axes = [axis for realize in blocks_in(loop) for axis in realize.block.iter_vars]
    if starts_elsewhere(loop) or any(number_of(axis.dom.min) != 0 for axis in axes):
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
    if any(has_loops(node) for node in nodes):
        yield "inner-loops"
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
    axes = [axis.var for axis in reduction.iter_vars if int(axis.iter_type) != REDUCTION]
    if not all(one.same_as(two) for one, two in zip(axes, reduction.body.indices, strict=False)):
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
    if has_company(draw, arguments[0]):
        yield "several-blocks"
    if compat.type_key(node.body) != "BufferStore":
        yield "not-an-einsum"
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
    written = {
        label: [compat.region_buffer(x) for x in draw.node(label).writes] for label in others
    }
    makers = [
        label for label in others if any(one.same_as(it) for one in written[label] for it in reads)
    ]
    if any(has_loops(draw.node(label)) for label in makers):
        yield "inner-loops"


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
    if is_guarded(draw, block):
        yield "guarded"
    if has_guarded_loads(draw.node(block)):
        yield "guarded-load"
    if is_partial(draw, block):
        yield "partial-domain"


def _laid_out(draw: Drawing, arguments: Any) -> Conditions:
    yield from guarded(draw, arguments)
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
    yield from guarded(draw, arguments[0])
    if number_of(loop_of(draw, arguments[0]).min) != 0:
        yield "starts-elsewhere"
    if len(draw.node(arguments[0][0]).writes) > 1:
        yield "several-writes"
    realize = realize_of(draw.schedule, draw.node(arguments[0][0]))
    loop = loop_of(draw, arguments[0])
    if not any(uses(value, loop.loop_var) for value in realize.iter_values):
        yield "unused-loop"


def _scheduled_whole(draw: Drawing, arguments: Any) -> Conditions:
    """By a rule of dlight, for the whole function."""
    if any(is_guarded(draw, label) for label in draw.blocks):
        yield "guarded"
    if any(is_partial(draw, label) for label in draw.blocks):
        yield "partial-domain"
    silent = any(not len(draw.node(label).writes) for label in draw.blocks)
    if silent and arguments[0] in ("adreno.Fallback", "cpu.GEMV"):
        yield "no-writes"


def _decomposed(draw: Drawing, arguments: Any) -> Conditions:
    yield from guarded(draw, arguments)
    realize = realize_of(draw.schedule, draw.node(arguments[0]))
    for loop in draw.loops(arguments[0])[arguments[1][1] :]:
        used = any(uses(value, loop.loop_var) for value in realize.iter_values)
        if not used and number_of(loop.extent) != 1:
            yield "unused-loop"
    if is_partial(draw, arguments[0]):
        yield "partial-domain"


def _reordered(draw: Drawing, arguments: Any) -> Conditions:
    """A loop of which a reduction's axis takes one part and a spatial axis another."""
    for place in arguments[0]:
        loop = loop_of(draw, place)
        for realize in blocks_in(loop):
            axes = zip(realize.block.iter_vars, realize.iter_values, strict=True)
            kinds = {int(a.iter_type) == REDUCTION for a, v in axes if uses(v, loop.loop_var)}
            if len(kinds) > 1:
                yield "fused-reduction"


_KNOWN: dict[str, Callable[[Drawing, Any], Conditions]] = {
    "loop_partition": _partitioned,
    "merge": _merged,
    "blockize": _blockized,
    "blockize_blocks": _blockized_together,
    "read_at": copied_at,
    "write_at": written_at,
    "reindex": reindexed,
    "reindex_cache_read": reindexed_cache,
    "reindex_cache_write": reindexed_cache,
    "compute_at": _moved,
    "rolling_buffer": _rolled,
    "cache_read": cached_read,
    "cache_write": cached_write,
    "cache_index": cached_index,
    "cache_inplace": cached_inplace,
    "fuse_reduction_epilogue": _fused_epilogue,
    "decompose_reduction": _decomposed,
    "reorder": _reordered,
    "dlight": _scheduled_whole,
    "decompose_padding": _padding_decomposed,
    "rfactor": _factored,
    "pad_einsum": _padded_einsum,
    "reverse_compute_inline": _inlined_backwards,
    "reverse_compute_at": _moved_backwards,
    "transform_block_layout": _laid_out,
}
