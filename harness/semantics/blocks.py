"""Blocks: axes, init, declared regions, allocations and matched buffers of schedulable TIR.

A block's axes are bound to the values of the realize. Its init runs when all its reduction axes are
at their minimum, as LowerInitBlock defines it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import compat
from harness.semantics import ranges
from harness.semantics.emitter import label
from harness.semantics.errors import Unsupported
from harness.semantics.memory import EnclosingBlock, MemoryCompiler, Region, Storage, View
from harness.semantics.ranges import Operand, constant
from harness.semantics.survey import REDUCTION, Survey


class BlockCompiler(MemoryCompiler):
    """Compiles SBlockRealize; a subclass implements `statement` for the block's body."""

    def __init__(self, survey: Survey, perturbed: bool) -> None:
        super().__init__(perturbed)
        self.survey = survey
        self.storages: dict[int, Storage] = {}
        # Allocations to emit inside the concurrent loop to whose iterations they are private.
        self.private: dict[int, list[Any]] = {}

    def statement(self, node: Any) -> None:
        """Emit a statement."""
        raise NotImplementedError

    def _allocate(self, buffer: Any) -> None:
        key = hash(buffer)
        tracks_accesses = key in self.survey.written_concurrently
        self.storages[key] = self.allocate(buffer, self.survey.mixed(key), tracks_accesses)

    def _statement_SBlockRealize(self, node: Any) -> None:
        block = node.block
        predicate = self.value(node.predicate)
        if predicate.code in ("1", "True"):
            self._block(node, block)
            return
        with self.indented(f"if {predicate.code}:"):
            self._block(node, block)

    def _block(self, node: Any, block: Any) -> None:
        name = label(block.name_hint)
        at_start = []
        for iter_var, value in zip(block.iter_vars, node.iter_values, strict=True):
            bound, minimum = self._bind_axis(iter_var, self.value(value), name)
            if int(iter_var.iter_type) == REDUCTION:
                at_start.append(f"{bound.code} == {minimum.code}")
        frame = self._frame(block, name)
        if frame is not None and not self.perturbed:
            self.frames.append(frame)
        for buffer in block.alloc_buffers:
            loop = self.survey.private_loop(hash(buffer))
            if loop is None or loop in self.variables:
                self._allocate(buffer)
            else:
                self.private.setdefault(loop, []).append(buffer)
        for match in block.match_buffers:
            self._match(match)
        if block.init is not None:
            self._check_init(block, name)
            with self.indented(f"if {' and '.join(at_start) or 'True'}:"):
                self.statement(block.init)
        self.statement(block.body)
        if frame is not None and not self.perturbed:
            self.frames.pop()

    def _check_init(self, block: Any, name: str) -> None:
        """Emit a failure if the init uses a reduction axis: it is to run before all of them."""
        axes = [axis.var for axis in block.iter_vars if int(axis.iter_type) == REDUCTION]
        if any(axis.same_as(node) for node in compat.nodes(block.init) for axis in axes):
            self.emit(f"undefined('reduction-in-init', 'the init of block {name}')")

    def _bind_axis(self, iter_var: Any, value: Operand, block: str) -> tuple[Operand, Operand]:
        """Bind a block's axis, after a check that the value lies in the axis' domain."""
        minimum = self.atom(self.value(iter_var.dom.min))
        extent = self.atom(self.value(iter_var.dom.extent))
        value = self.atom(value)
        if value.low < minimum.high or value.high >= minimum.low + extent.low:
            end = ranges.add(minimum, extent).code
            name = label(iter_var.var.name)
            self.emit(
                f"if not {minimum.code} <= {value.code} < {end}: "
                f"undefined('block-domain', f'{name} of block {block} is {{{value.code}}}')"
            )
            high = minimum.high + extent.high - 1
            value = Operand(value.code, max(value.low, minimum.low), min(value.high, high))
        self.variables[hash(iter_var.var)] = value
        return value, minimum

    def _frame(self, block: Any, name: str) -> EnclosingBlock | None:
        """The block's declared regions; None for a block (the root) that declares nothing."""
        if not (block.iter_vars or block.reads or block.writes):
            return None
        frame = EnclosingBlock(name, {})
        for written, regions in ((False, block.reads), (True, block.writes)):
            for region in regions:
                view = self.views.get(hash(compat.region_buffer(region)))
                if view is None:
                    continue
                sizes = compat.region_buffer(region).ty.shape
                bounds = [self._bound(*each) for each in zip(region.region, sizes, strict=True)]
                while view.window is not None:
                    view, starts = view.window
                    lead = [(start, constant(1)) for start in starts[: len(starts) - len(bounds)]]
                    shifted = [
                        (ranges.add(start, low), extent)
                        for start, (low, extent) in zip(starts[len(lead) :], bounds, strict=True)
                    ]
                    bounds = lead + shifted
                frame.regions.setdefault(view.key, []).append(Region(written, tuple(bounds)))
        return frame

    def _bound(self, part: Any, size: Any) -> tuple[Operand, Operand]:
        """The start and the extent of one dimension of a declared region.

        What it loads from a buffer is not part of the program: it may lie under a guard, or be
        written later. Such a part covers the dimension.
        """
        loads = (compat.nodes(each) for each in (part.min, part.extent))
        if any(compat.type_key(node) == "BufferLoad" for nodes in loads for node in nodes):
            return constant(0), self.value(size)
        return self.value(part.min), self.value(part.extent)

    def _match(self, match: Any) -> None:
        """A match_buffer: a view through the source region."""
        buffer = match.buffer
        source = self.view_of(compat.region_buffer(match.source))
        starts = tuple(self.atom(self.value(part.min)) for part in match.source.region)
        lead = len(starts) - len(buffer.ty.shape)
        if lead < 0:
            raise Unsupported("a match_buffer of more dimensions than its source")
        offset = source.offset
        for start, stride in zip(starts, source.strides, strict=True):
            offset = ranges.add(offset, ranges.multiply(start, stride))
        # Variables in the layout are defined here, by the source.
        inner = source.strides[lead:]
        for given, actual in [*paired(buffer.ty.strides, inner), (buffer.ty.elem_offset, offset)]:
            if compat.type_key(given) == "Var" and hash(given) not in self.variables:
                self.variables[hash(given)] = self.atom(actual)
        dtype, shape, strides, _ = self.layout(buffer)
        if dtype != source.dtype:
            raise Unsupported("a match_buffer of another dtype than its source")
        self.views[hash(buffer)] = View(
            hash(buffer), label(buffer.name), dtype, shape, strides, offset, source.storage,
            (source, starts),
        )  # fmt: skip


def paired(given: Any, actual: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Pairs of a buffer's declared and actual strides; empty if it declares none."""
    return list(zip(given, actual, strict=True)) if given else []
