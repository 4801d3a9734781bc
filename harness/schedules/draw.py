"""Draws arguments of schedule primitives for the program as it is scheduled so far.

A draw aims at what a primitive accepts, but need not meet all of its conditions: TVM refuses the
rest. It never asks for what may change the meaning, such as another layout of a parameter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, TypeVar

from harness import compat
from harness.case import JSONValue
from harness.schedules.blocks import block_labels, find_block

Arguments = tuple[JSONValue, ...]
Item = TypeVar("Item")

# Equal on a processor; the scopes of accelerators need a target that has them.
SCOPES = ("global", "local")
THREADS = ("blockIdx.x", "blockIdx.y", "threadIdx.x", "threadIdx.y", "vthread.x")
FACTORS = (1, 2, 2, 3, 4, 4, 5, 7, 8, 16)
REDUCTION = 2
LOOP_ANNOTATIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("pragma_auto_unroll_max_step", (0, 1, 4, 16, 64)),
    ("pragma_unroll_explicit", (0, 1)),
    ("pragma_loop_partition_hint", (1,)),
    ("disable_loop_partition", (1,)),
)
# What only auto-schedulers read, and what says how blocks may be treated.
BLOCK_ANNOTATIONS: tuple[tuple[str, tuple[int | str, ...]], ...] = (
    ("meta_schedule.unroll_explicit", (16, 64)),
    ("meta_schedule.tiling_structure", ("SSRSRS",)),
    ("schedule_rule", ("None",)),
    ("auto_copy", (0,)),
)


class CannotDraw(Exception):
    """The program has nothing that the primitive could be applied to."""


class Drawing:
    """The program that is scheduled, and the generator of the choices."""

    def __init__(self, schedule: Any, rng: random.Random) -> None:
        self.schedule = schedule
        self.rng = rng
        self.blocks = block_labels(schedule)

    def choice(self, items: Sequence[Item]) -> Item:
        """One of the items.

        Raises:
            CannotDraw: there are none.
        """
        if not items:
            raise CannotDraw
        return self.rng.choice(items)

    def flag(self) -> bool:
        return self.rng.random() < 0.5

    def block(self, wanted: Callable[[Any], bool] = lambda node: True) -> str:
        """The label of a block whose node is wanted."""
        return self.choice([label for label in self.blocks if wanted(self.node(label))])

    def node(self, label: str) -> Any:
        """The SBlock of this label."""
        return self.schedule.get(find_block(self.schedule, label))

    def loops(self, label: str) -> list[Any]:
        """The For nodes around the block, outermost first."""
        found = self.schedule.get_loops(find_block(self.schedule, label))
        return [self.schedule.get(loop) for loop in found]

    def loop(self, label: str | None = None) -> Arguments:
        """A loop around the block, or around any."""
        label = self.block() if label is None else label
        return label, self.choice(range(len(self.loops(label))))

    def region(self, label: str, which: str) -> int:
        """The index of one of the block's "read" or "write" regions."""
        node = self.node(label)
        return self.choice(range(len(node.reads if which == "read" else node.writes)))

    def shape(self, label: str, which: str, index: int) -> tuple[int, ...]:
        """The shape of a region's buffer; CannotDraw if it is symbolic."""
        shape = compat.static_shape(self.buffer(label, which, index))
        if shape is None:
            raise CannotDraw
        return shape

    def buffer(self, label: str, which: str, index: int) -> Any:
        node = self.node(label)
        return compat.region_buffer((node.reads if which == "read" else node.writes)[index])

    def reads(self, label: str, buffer: Any) -> bool:
        """Whether the block reads the buffer."""
        return any(compat.region_buffer(each).same_as(buffer) for each in self.node(label).reads)

    def is_parameter(self, buffer: Any) -> bool:
        function = self.schedule.mod[self.schedule.func_working_on.name_hint]
        return any(param.same_as(buffer) for param in function.params)


def is_reduction(block: Any) -> bool:
    return any(int(axis.iter_type) == REDUCTION for axis in block.iter_vars)


def one_block(draw: Drawing) -> Arguments:
    return (draw.block(),)


def one_loop(draw: Drawing) -> Arguments:
    return (draw.loop(),)


def two_blocks(draw: Drawing) -> Arguments:
    first = draw.block(is_reduction)
    return first, draw.choice([label for label in draw.blocks if label != first])


def factors(draw: Drawing) -> Arguments:
    """A loop, factors of which one is open, and whether loops of extent one stay."""
    parts: list[JSONValue] = [None]
    for _ in range(draw.choice((1, 1, 1, 2))):
        parts.insert(draw.rng.randint(0, len(parts)), draw.choice(FACTORS))
    return draw.loop(), tuple(parts), draw.flag()


def perfect_tile(draw: Drawing) -> Arguments:
    return draw.loop(), draw.choice((2, 2, 3)), draw.choice((2, 4, 16)), draw.rng.randint(1, 1000)


def partitioned_tile(draw: Drawing) -> Arguments:
    return (*perfect_tile(draw)[:2], 1, draw.choice((1, 2, 4)), draw.rng.randint(1, 1000))


def neighbours(draw: Drawing) -> Arguments:
    """Successive loops around a block, and whether loops of extent one stay."""
    label = draw.block()
    count = len(draw.loops(label))
    if count < 2:
        raise CannotDraw
    first = draw.rng.randrange(count - 1)
    last = min(count, first + draw.choice((2, 2, 3)))
    return tuple((label, index) for index in range(first, last)), draw.flag()


def same_depth(draw: Drawing) -> Arguments:
    """Loops of several blocks at one depth."""
    if len(draw.blocks) < 2:
        raise CannotDraw
    labels = draw.rng.sample(draw.blocks, min(len(draw.blocks), draw.choice((2, 2, 3))))
    depth = draw.choice(range(min(len(draw.loops(label)) for label in labels)))
    nodes = [draw.loops(label)[depth] for label in labels]
    if any(one.same_as(other) for one, other in combinations(nodes, 2)):
        raise CannotDraw
    return (tuple((label, depth) for label in sorted(labels, key=draw.blocks.index)),)


def another_order(draw: Drawing) -> Arguments:
    label = draw.block()
    indices = list(range(len(draw.loops(label))))
    if len(indices) < 2:
        raise CannotDraw
    chosen = draw.rng.sample(indices, draw.rng.randint(2, len(indices)))
    return (tuple((label, index) for index in chosen),)


def order_of_axes(draw: Drawing) -> Arguments:
    label = draw.block()
    order = list(range(len(draw.node(label).iter_vars)))
    draw.rng.shuffle(order)
    return label, tuple(order)


def block_or_loop(draw: Drawing) -> Arguments:
    return (draw.block() if draw.flag() else draw.loop(),)


def thread(draw: Drawing) -> Arguments:
    return draw.loop(), draw.choice(THREADS)


def place(draw: Drawing) -> Arguments:
    """A block and a loop of another one to move it to."""
    block = draw.block()
    other = draw.choice([label for label in draw.blocks if label != block])
    return block, draw.loop(other), draw.flag(), draw.choice((-1, -1, -2, 0, 1))


def sampled_place(draw: Drawing) -> Arguments:
    return draw.block(), draw.rng.randint(1, 1000)


def cached(which: str) -> Callable[[Drawing], Arguments]:
    """Of a cache of what a block reads or writes: the region, the scope, the consumers."""

    def draw_cached(draw: Drawing) -> Arguments:
        block = draw.block()
        index = draw.region(block, which)
        buffer = draw.buffer(block, which, index)
        readers = [label for label in draw.blocks if draw.reads(label, buffer)]
        chosen = readers if draw.rng.random() < 0.2 else ()
        consumers = tuple(label for label in chosen if draw.flag())
        return block, index, draw.choice(SCOPES), consumers

    return draw_cached


def in_place(draw: Drawing) -> Arguments:
    block = draw.block()
    return block, draw.region(block, "read"), draw.choice(SCOPES)


def index_cache(draw: Drawing) -> Arguments:
    """Mostly of a block with something to cache: without, TVM fails."""
    wanted = _has_arithmetic_indices if draw.rng.random() < 0.98 else lambda node: True
    return draw.block(wanted), draw.choice(SCOPES), draw.choice((0, 0, 1))


def _has_arithmetic_indices(block: Any) -> bool:
    """Whether the block reads a place that is computed by a division or a multiplication."""
    keys = {
        compat.type_key(part)
        for region in block.reads
        for each in region.region
        for part in compat.nodes(each.min)
    }
    return bool(keys & {"Mul", "FloorDiv", "FloorMod"})


def reindexed(draw: Drawing) -> Arguments:
    block, which = draw.block(), "read" if draw.flag() else "write"
    return block, (which, draw.region(block, which))


def reindexed_cache(which: str) -> Callable[[Drawing], Arguments]:
    def draw_reindexed(draw: Drawing) -> Arguments:
        block = draw.block()
        extents = _axis_extents(draw.node(block))
        region = draw.region(block, which)
        # Not joined: TVM asks for no injective map here, and that of a mutant might not be one.
        mapping = drawn_map(draw, extents, joins=False)
        return block, region, draw.choice(SCOPES), mapping

    return draw_reindexed


def moved_copy(which: str) -> Callable[[Drawing], Arguments]:
    """Of read_at and write_at: the loop, the block, the region, the scope."""

    def draw_moved(draw: Drawing) -> Arguments:
        block = draw.block()
        return draw.loop(block), block, draw.region(block, which), draw.choice(SCOPES)

    return draw_moved


def decomposed(draw: Drawing) -> Arguments:
    block = draw.block(is_reduction if draw.rng.random() < 0.95 else lambda node: True)
    return block, draw.loop(block)


def padded(draw: Drawing) -> Arguments:
    block = draw.block()
    return block, draw.loop(block)


def factored(draw: Drawing) -> Arguments:
    block = draw.block(is_reduction)
    rank = len(draw.shape(block, "write", 0))
    return draw.loop(block), draw.rng.randint(-1, rank)


def alignment(draw: Drawing) -> Arguments:
    block = draw.block()
    index = draw.region(block, "write")
    axis = draw.rng.randint(-2, max(0, len(draw.shape(block, "write", index)) - 1))
    return block, index, axis, draw.choice((2, 8, 16, 32)), draw.choice((0, 1, 4))


def scope(draw: Drawing) -> Arguments:
    block = draw.block()
    return block, draw.region(block, "write"), draw.choice(SCOPES)


def blockized(draw: Drawing) -> Arguments:
    return draw.loop(), draw.flag()


def blockized_blocks(draw: Drawing) -> Arguments:
    if len(draw.blocks) < 2:
        raise CannotDraw
    first = draw.rng.randrange(len(draw.blocks) - 1)
    return tuple(draw.blocks[first : first + 2]), draw.flag()


def layout(draw: Drawing) -> Arguments:
    """A buffer that the function allocates, and how its indices change."""
    block, which = draw.block(), draw.choice(("read", "write", "write"))
    index = draw.region(block, which)
    if draw.is_parameter(draw.buffer(block, which, index)):
        raise CannotDraw
    mapping = drawn_map(draw, draw.shape(block, which, index))
    pad = draw.choice((None, None, 0)) if which == "write" else None
    return block, (which, index), mapping, pad


def block_layout(draw: Drawing) -> Arguments:
    block = draw.block()
    return block, drawn_map(draw, _axis_extents(draw.node(block)))


def paddings(draw: Drawing) -> Arguments:
    block = draw.block()
    return block, tuple(draw.choice((1, 2, 3, 4, 8)) for _ in draw.node(block).iter_vars)


def written(draw: Drawing) -> Arguments:
    block = draw.block()
    return block, draw.region(block, "write")


def annotation(draw: Drawing) -> Arguments:
    if draw.flag():
        key, values = draw.choice(BLOCK_ANNOTATIONS)
        return draw.block(), key, draw.choice(values)
    key, numbers = draw.choice(LOOP_ANNOTATIONS)
    return draw.loop(), key, draw.choice(numbers)


def annotation_to_drop(draw: Drawing) -> Arguments:
    found: list[Arguments] = []
    for label in draw.blocks:
        found += [(label, str(key)) for key in draw.node(label).annotations]
        for index, loop in enumerate(draw.loops(label)):
            found += [((label, index), str(key)) for key in loop.annotations]
    return draw.choice(found)


def sampled_annotation(draw: Drawing) -> Arguments:
    return draw.loop(), "pragma_auto_unroll_max_step", (0, 4, 16), draw.rng.randint(1, 1000)


def _axis_extents(block: Any) -> tuple[int, ...]:
    extents = [axis.dom.extent for axis in block.iter_vars]
    if not all(isinstance(extent, compat.IntImm) for extent in extents):
        raise CannotDraw
    return tuple(int(extent) for extent in extents)


def drawn_map(draw: Drawing, extents: Sequence[int], *, joins: bool = True) -> str:
    """An index map that is injective: permuted, split, joined or reversed indices."""
    rank, rng = len(extents), draw.rng
    if not rank:
        raise CannotDraw
    names = [f"i{number}" for number in range(rank)]
    results = [[name] for name in names]
    for _ in range(rng.choice((1, 1, 2))):
        axis = rng.randrange(rank)
        if rng.random() < 0.5:
            by = rng.choice(FACTORS[1:])
            results[axis] = [f"{names[axis]} // {by}", f"{names[axis]} % {by}"]
        elif rng.random() < 0.03:  # TVM refuses most of them by a failed check
            results[axis] = [f"{extents[axis] - 1} - {names[axis]}"]
    if joins and rank > 1 and rng.random() < 0.3:
        axis = rng.randrange(rank - 1)
        if results[axis : axis + 2] == [[names[axis]], [names[axis + 1]]]:
            joined = f"{names[axis]} * {extents[axis + 1]} + {names[axis + 1]}"
            results[axis : axis + 2] = [[joined]]
    flat = [part for parts in results for part in parts]
    if rng.random() < 0.6:
        rng.shuffle(flat)
    return f"{', '.join(names)} -> {', '.join(flat)}"
