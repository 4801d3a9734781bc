"""The primitives: how each is called, and how its arguments are drawn. One row each.

Left out on purpose: `unsafe_set_dtype` and `unsafe_hide_buffer_access`, which may change the
meaning by their own documentation, `split` without predication and `annotate_buffer_access`, which
the caller answers for, and `enter_postproc`, which changes nothing. TVM's own intrinsics are left
out as well, as nothing here can say what they do (`intrinsics.py` has others). No supported release
has `set_axis_separator`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from harness.schedules import draw, draw_rules
from harness.schedules.draw import Arguments, Drawing


class Takes(StrEnum):
    """What an argument of a trace stands for."""

    VALUE = "value"
    LIST = "list"
    PAIR = "pair"  # a tuple, such as ("read", 0)
    BLOCK = "block"
    BLOCKS = "blocks"
    LOOP = "loop"
    LOOPS = "loops"  # each one an argument of its own
    TARGET = "target"  # a block or a loop
    MAP = "map"  # see index_map.py
    SEED = "seed"  # of the schedule, set before the call


VALUE, LIST, PAIR, SEED = Takes.VALUE, Takes.LIST, Takes.PAIR, Takes.SEED
BLOCK, BLOCKS, LOOP, LOOPS = Takes.BLOCK, Takes.BLOCKS, Takes.LOOP, Takes.LOOPS
TARGET, MAP = Takes.TARGET, Takes.MAP


@dataclass(frozen=True)
class Primitive:
    """A primitive: its name in traces, its arguments, and the call.

    `call` is the call as Python with the arguments' numbers in braces; by default the method of
    `tvm.s_tir.Schedule` of that name on all arguments but seeds. The result of the call of a
    `whole` one is the schedule from then on.
    """

    name: str
    draw: Callable[[Drawing], Arguments]
    kinds: tuple[Takes, ...]
    call: str = ""
    whole: bool = False

    @property
    def python(self) -> str:
        """The call as Python, with the arguments' numbers in braces."""
        arguments = (
            f"*{{{number}}}" if kind is LOOPS else f"{{{number}}}"
            for number, kind in enumerate(self.kinds)
            if kind is not SEED
        )
        return self.call or f"s.{self.name}({', '.join(arguments)})"


_TABLE = (
    # Loops.
    Primitive("split", draw.factors, (LOOP, LIST, VALUE)),
    Primitive(
        "split_perfectly", draw.perfect_tile, (LOOP, VALUE, VALUE, SEED),
        "s.split({0}, s.sample_perfect_tile({0}, {1}, {2}))",
    ),
    Primitive(
        "split_partitioned", draw.partitioned_tile, (LOOP, VALUE, VALUE, VALUE, SEED),
        "s.split({0}, s.sample_partitioned_tile({0}, {1}, {2}, {3}))",
    ),
    Primitive("loop_partition", draw.factors, (LOOP, LIST, VALUE)),
    Primitive("fuse", draw.neighbours, (LOOPS, VALUE), "s.fuse(*{0}, preserve_unit_iters={1})"),
    Primitive("merge", draw.same_depth, (LOOPS,)),
    Primitive("reorder", draw.another_order, (LOOPS,)),
    Primitive("add_unit_loop", draw.block_or_loop, (TARGET,)),
    Primitive("parallel", draw.one_loop, (LOOP,)),
    Primitive("vectorize", draw.one_loop, (LOOP,)),
    Primitive("unroll", draw.one_loop, (LOOP,)),
    Primitive("bind", draw.thread, (LOOP, VALUE)),
    # Where blocks are computed.
    Primitive("compute_at", draw.place, (BLOCK, LOOP, VALUE, VALUE)),
    Primitive("reverse_compute_at", draw.place, (BLOCK, LOOP, VALUE, VALUE)),
    Primitive(
        "compute_at_sampled", draw.sampled_place, (BLOCK, SEED),
        "s.compute_at({0}, s.sample_compute_location({0}))",
    ),
    Primitive("compute_inline", draw.one_block, (BLOCK,)),
    Primitive("reverse_compute_inline", draw.one_block, (BLOCK,)),
    Primitive("fuse_reduction_epilogue", draw.two_blocks, (BLOCK, BLOCK)),
    # Copies.
    Primitive("cache_read", draw.cached("read"), (BLOCK, VALUE, VALUE, BLOCKS)),
    Primitive("cache_write", draw.cached("write"), (BLOCK, VALUE, VALUE, BLOCKS)),
    Primitive("cache_inplace", draw.in_place, (BLOCK, VALUE, VALUE)),
    Primitive("cache_index", draw.index_cache, (BLOCK, VALUE, VALUE)),
    Primitive("reindex", draw.reindexed, (BLOCK, PAIR)),
    Primitive("reindex_cache_read", draw.reindexed_cache("read"), (BLOCK, VALUE, VALUE, MAP)),
    Primitive("reindex_cache_write", draw.reindexed_cache("write"), (BLOCK, VALUE, VALUE, MAP)),
    Primitive("read_at", draw.moved_copy("read"), (LOOP, BLOCK, VALUE, VALUE)),
    Primitive("write_at", draw.moved_copy("write"), (LOOP, BLOCK, VALUE, VALUE)),
    # Reductions and padding.
    Primitive("decompose_reduction", draw.decomposed, (BLOCK, LOOP)),
    Primitive("rfactor", draw.factored, (LOOP, VALUE)),
    Primitive("decompose_padding", draw.padded, (BLOCK, LOOP)),
    Primitive("pad_einsum", draw.paddings, (BLOCK, LIST)),
    # Blocks.
    Primitive("blockize", draw.blockized, (LOOP, VALUE)),
    Primitive("blockize_blocks", draw.blockized_blocks, (BLOCKS, VALUE), "s.blockize({0}, {1})"),
    Primitive(
        "tensorize", draw_rules.tensorized, (TARGET, VALUE), "s.tensorize({0}, intrinsic({1}))",
    ),
    Primitive("reorder_block_iter_var", draw.order_of_axes, (BLOCK, LIST)),
    Primitive("transform_block_layout", draw.block_layout, (BLOCK, MAP)),
    Primitive("annotate", draw.annotation, (TARGET, VALUE, VALUE)),
    Primitive(
        "annotate_sampled", draw.sampled_annotation, (TARGET, VALUE, LIST, SEED),
        "s.annotate({0}, {1}, s.sample_categorical({2}, [1 / len({2})] * len({2})))",
    ),
    Primitive("unannotate", draw.annotation_to_drop, (TARGET, VALUE)),
    # Buffers.
    Primitive(
        "transform_layout", draw.layout, (BLOCK, PAIR, MAP, VALUE),
        "s.transform_layout({0}, {1}, {2}, pad_value={3})",
    ),
    Primitive("storage_align", draw.alignment, (BLOCK, VALUE, VALUE, VALUE, VALUE)),
    Primitive("set_scope", draw.scope, (BLOCK, VALUE, VALUE)),
    Primitive("rolling_buffer", draw.written, (BLOCK, VALUE)),
    # Rules that schedule whole functions for a target.
    Primitive("dlight", draw_rules.dlight_rule, (VALUE, VALUE), "dlight(s, {0}, {1})", whole=True),
    Primitive("specialize", draw_rules.specialized, (PAIR,), "specialize(s, {0})", whole=True),
    Primitive(
        "meta_schedule", draw_rules.tuned, (VALUE, VALUE, VALUE),
        "meta_schedule(s, {0}, {1}, {2})", whole=True,
    ),
)  # fmt: skip

PRIMITIVES: dict[str, Primitive] = {primitive.name: primitive for primitive in _TABLE}
