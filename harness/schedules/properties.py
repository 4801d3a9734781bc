"""Properties of blocks and loops, by which known failures of primitives are recognised."""

from __future__ import annotations

from typing import Any

from harness import compat
from harness.ir.ingredients import number_of
from harness.schedules.blocks import realize_of
from harness.schedules.draw import Drawing


def is_guarded(draw: Drawing, label: str) -> bool:
    """Whether the block runs under a predicate."""
    return number_of(realize_of(draw.schedule, draw.node(label)).predicate) != 1


def loop_of(draw: Drawing, place: Any) -> Any:
    label, index = place
    return draw.loops(label)[index]


def blocks_in(loop: Any) -> list[Any]:
    return [node for node in compat.nodes(loop) if compat.type_key(node) == "SBlockRealize"]


def starts_elsewhere(loop: Any) -> bool:
    return any(
        compat.type_key(node) == "For" and number_of(node.min) != 0 for node in compat.nodes(loop)
    )


def uses(expr: Any, var: Any) -> bool:
    return any(var.same_as(node) for node in compat.nodes(expr))


def has_guarded_loads(block: Any) -> bool:
    return any(
        compat.type_key(node) == "IfThenElse"
        or (compat.type_key(node) == "Call" and compat.call_name(node) == "if_then_else")
        for node in compat.nodes(block.body)
    )


WRITING_MORE = {"For", "While", "SBlockRealize", "Evaluate", "Ramp"}


def has_guarded_stores(block: Any) -> bool:
    """Whether the block may leave part of what it declares as it was."""
    kinds = {compat.type_key(node) for node in compat.nodes(block.body)}
    wide = any(number_of(each.extent) != 1 for region in block.writes for each in region.region)
    if wide and "BufferStore" in kinds and kinds.isdisjoint(WRITING_MORE):
        return True  # a store writes one element
    return any(
        compat.type_key(node) == "IfThenElse"
        and any(compat.type_key(part) == "BufferStore" for part in compat.nodes(node))
        for node in compat.nodes(block.body)
    )


def has_loaded_indices(block: Any) -> bool:
    """Whether a load's place, in the block itself or in its regions, is loaded from a buffer."""
    regions = [each.min for one in (*block.reads, *block.writes) for each in one.region]
    loads = [node for node in compat.nodes(block.body) if compat.type_key(node) == "BufferLoad"]
    places = [*regions, *(index for load in loads for index in load.indices)]
    return any(
        compat.type_key(part) == "BufferLoad" for each in places for part in compat.nodes(each)
    )


def is_partial(draw: Drawing, label: str) -> bool:
    """Whether a loop does not cover the domain of the axis that it is the value of."""
    realize = realize_of(draw.schedule, draw.node(label))
    extents = {hash(loop.loop_var): number_of(loop.extent) for loop in draw.loops(label)}
    return any(
        number_of(axis.dom.extent) != extents.get(hash(value), number_of(axis.dom.extent))
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
    )


def has_loops(block: Any) -> bool:
    """Whether loops are part of the block itself."""
    return any(compat.type_key(node) == "For" for node in compat.nodes(block.body))


def has_definitions(block: Any) -> bool:
    """Whether the block itself defines variables: loops, or those that hold a value."""
    kinds = {compat.type_key(node) for node in compat.nodes(block.body)}
    return not kinds.isdisjoint({"For", "Bind", "Let"})


def has_part_of_fused(realize: Any) -> bool:
    """Whether axes take quotients of several loops and none the remainders, or the other way."""
    parts = [part for value in realize.iter_values for part in compat.nodes(value)]
    divided = [part for part in parts if compat.type_key(part) in ("FloorDiv", "FloorMod")]
    return len({compat.type_key(each) for each in divided if not _is_var(each.a)}) == 1


def _is_var(expr: Any) -> bool:
    return compat.type_key(expr) == "Var"


def is_nested(draw: Drawing, label: str) -> bool:
    """Whether the block is inside another one that has variables."""
    node, body = draw.node(label), draw.schedule.mod[draw.schedule.func_working_on.name_hint].body
    outer = [each.block for each in blocks_in(body) if len(each.block.iter_vars)]
    return any(inner.block.same_as(node) for block in outer for inner in blocks_in(block.body))


def accesses(loop: Any) -> tuple[set[int], set[int]]:
    """What the blocks in the loop read, and what they write."""
    blocks = [realize.block for realize in blocks_in(loop)]
    reads = {hash(compat.region_buffer(each)) for block in blocks for each in block.reads}
    return reads, {hash(compat.region_buffer(each)) for block in blocks for each in block.writes}


def loads_from(expr: Any, buffer: Any) -> bool:
    return any(
        compat.type_key(node) == "BufferLoad" and compat.load_buffer(node).same_as(buffer)
        for node in compat.nodes(expr)
    )


def has_unit_in_predicate(draw: Drawing, label: str) -> bool:
    """Whether the predicate names a loop of one iteration, which the axes then leave out."""
    predicate = realize_of(draw.schedule, draw.node(label)).predicate
    units = (loop for loop in draw.loops(label) if number_of(loop.extent) == 1)
    return any(uses(predicate, loop.loop_var) for loop in units)


def has_wide_regions(block: Any) -> bool:
    """Whether what the block accesses is counted in 64 bits."""
    regions = (*block.reads, *block.writes)
    return any(compat.dtype_of(each.extent) == "int64" for one in regions for each in one.region)


def has_company(draw: Drawing, label: str) -> bool:
    """Whether other blocks share a loop with the block."""
    return any(len(blocks_in(loop)) > 1 for loop in draw.loops(label))


def is_written_elsewhere(draw: Drawing, label: str) -> bool:
    written = {hash(compat.region_buffer(each)) for each in draw.node(label).writes}
    others = [draw.node(other) for other in draw.blocks if other != label]
    return any(hash(compat.region_buffer(each)) in written for one in others for each in one.writes)


def has_undeclared_regions(draw: Drawing) -> bool:
    """Whether a block that is not the root declares nothing, as those of loop_partition do."""
    body = draw.schedule.mod[draw.schedule.func_working_on.name_hint].body
    blocks = [realize.block for realize in blocks_in(body.block.body)]
    return any(not (len(each.reads) or len(each.writes)) for each in blocks)
