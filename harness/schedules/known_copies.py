"""Known failures of the primitives that copy: to other places, into caches, by other indices.

Generators of the conditions that a call meets, for `harness/schedules/known.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness import compat
from harness.ir.ingredients import number_of
from harness.schedules.blocks import realize_of
from harness.schedules.draw import Drawing, is_reduction
from harness.schedules.properties import (
    blocks_in,
    has_company,
    has_guarded_loads,
    has_guarded_stores,
    has_loaded_indices,
    has_loops,
    has_unit_in_predicate,
    has_wide_regions,
    is_guarded,
    is_nested,
    is_partial,
    is_written_elsewhere,
    loop_of,
)

Conditions = Iterator[str]


def written_at(draw: Drawing, arguments: Any) -> Conditions:
    yield from copied_at(draw, arguments)
    if has_guarded_stores(draw.node(arguments[1])):
        yield "guarded-store"


def copied_at(draw: Drawing, arguments: Any) -> Conditions:
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


def reindexed(draw: Drawing, arguments: Any) -> Conditions:
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


def cached_index(draw: Drawing, arguments: Any) -> Conditions:
    node = draw.node(arguments[0])
    values = realize_of(draw.schedule, node).iter_values
    if is_guarded(draw, arguments[0]):
        yield "guarded"
    if any(number_of(loop.min) != 0 for loop in draw.loops(arguments[0])):
        yield "starts-elsewhere"
    if any(compat.type_key(value) != "Var" for value in values):
        yield "computed-variables"
    yield "one-variable" if len(node.iter_vars) == 1 else "several-variables"


def cached_inplace(draw: Drawing, arguments: Any) -> Conditions:
    if is_nested(draw, arguments[0]):
        yield "nested-blocks"
    if blocks_in(draw.node(arguments[0]).body):
        yield "inner-blocks"


def reindexed_cache(draw: Drawing, arguments: Any) -> Conditions:
    yield from guarded(draw, arguments)
    node = draw.node(arguments[0])
    if any(number_of(axis.dom.min) != 0 for axis in node.iter_vars):
        yield "starts-elsewhere"
    written = {hash(each) for each in _written(draw, arguments[0])}
    if any(hash(compat.region_buffer(each)) in written for each in node.reads):
        yield "updates"
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


def _cached(draw: Drawing, arguments: Any, sources: Iterable[str]) -> Conditions:
    inside = [realize.block for realize in blocks_in(draw.node(arguments[0]).body)]
    if any(len(block.match_buffers) for block in (draw.node(arguments[0]), *inside)):
        yield "match-buffers"
    if any(is_nested(draw, label) for label in arguments[3]):
        yield "nested-consumers"
    if any(_has_guarded_fusion(draw, label) for label in sources):
        yield "guarded-fusion"
    label = arguments[0]
    if is_guarded(draw, label) and (has_company(draw, label) or has_unit_in_predicate(draw, label)):
        yield "guarded"


def cached_read(draw: Drawing, arguments: Any) -> Conditions:
    yield from _cached(draw, arguments, draw.blocks)
    if is_nested(draw, arguments[0]):
        yield "nested-blocks"
    buffer = compat.region_buffer(draw.node(arguments[0]).reads[arguments[1]])
    written = _written(draw, arguments[0], *_after(draw, arguments[0]))
    if any(buffer.same_as(each) for each in written):
        yield "written-later"


def _after(draw: Drawing, block: str) -> list[str]:
    blocks = list(draw.blocks)
    return blocks[blocks.index(block) + 1 :] if block in blocks else []


def _written(draw: Drawing, *labels: str) -> list[Any]:
    return [compat.region_buffer(each) for label in labels for each in draw.node(label).writes]


def _has_guarded_fusion(draw: Drawing, label: str) -> bool:
    values = realize_of(draw.schedule, draw.node(label)).iter_values
    parts = {compat.type_key(part) for value in values for part in compat.nodes(value)}
    return is_guarded(draw, label) and "FloorDiv" in parts


def cached_write(draw: Drawing, arguments: Any) -> Conditions:
    yield from _cached(draw, arguments, arguments[:1])
    if has_guarded_stores(draw.node(arguments[0])):
        yield "guarded-store"


def guarded(draw: Drawing, arguments: Any) -> Conditions:
    if is_guarded(draw, arguments[0]):
        yield "guarded"
